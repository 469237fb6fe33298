// The part of the VPU decoder's C API that this module calls, declared by us, in its three dialects:
//
//   BMVidDec*     libbmvideo.so of libsophon up to 23.10.01 and of 23.09 LTS: video/decoder/bm_dec_api/inc/
//                 bm_video_interface.h of github.com/sophgo/libsophon, the same from 23.05.01 to 23.10.01. For 22.09 to
//                 22.12 and BMNNSDK2 from memory.
//   bmvpu_dec_*   libbmvideo.so from 24.04.01 on: bm_vpudec_interface.h there. Of 23.09 LTS SP3 and later unsure.
//   bmvpu_dec_*   libbmvd.so of BM1688: the file of that name in github.com/sophgo/libsophav, other layouts.
//
// Which one a library speaks is known by its symbols, and BM1688's by its name. None of them was ever called from here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bm {

struct VideoDecoder;  // void* in the API

enum VideoCodec : int { kAvc = 0, kHevc = 12 };
enum StreamMode : int { kPictureEnd = 2 };  // each call brings one access unit
enum PixelFormat : int { kVideoNv12 = 5 };

/// BMVidStream. Older releases have no end_of_stream, and padding in its place.
struct VideoPacket {
  const unsigned char* data;
  unsigned size_bytes;
  const unsigned char* header;
  unsigned header_bytes;
  const unsigned char* extra;
  unsigned extra_bytes;
  unsigned char end_of_stream;
  std::uint64_t pts;
  std::uint64_t dts;
};
static_assert(sizeof(VideoPacket) == 64 && offsetof(VideoPacket, end_of_stream) == 44);
static_assert(offsetof(VideoPacket, pts) == 48);

/// Colours of a stream by H.264's and H.265's own numbers; 2: not told. range: 1 limited, 2 full, 0 not told.
struct FrameColors {
  int primaries;
  int transfer;
  int matrix;
  int range;
  int chroma_location;
};

namespace old {  // BMVidDec*

struct Parameters {
  int codec;
  int output_map;  // 0: plain rows
  int crops;
  int is_interleaved;  // 1: NV12
  int is_nv21;
  int secondary_axi;
  int stream_buffer_bytes;  // 0: the library's choice
  int mpeg4_class;
  int stream_mode;
  int extra_frames;  // pictures that the user may keep
  int frame_delay;
  int board;
  int keeps_on_board;  // behind PCIe: 1, pictures are not brought to the host
  int enable_cache;
  int skip_mode;
  int perf;
  int core;
  int reserved[13];
};
static_assert(sizeof(Parameters) == 120 && offsetof(Parameters, extra_frames) == 36);

struct Frame {
  int kind;
  unsigned char* planes[8];  // 4, 5, 6: addresses in device memory of Y, Cb (or CbCr), Cr
  int strides[8];
  unsigned width;
  unsigned height;
  int format;
  int is_interlaced;
  int luma_bits;
  int chroma_bits;
  int is_interleaved;
  int is_nv21;
  int endian;
  int sequence;
  int index;
  std::uint64_t pts;
  std::uint64_t dts;
  FrameColors colors;
  int size_bytes;
  unsigned coded_width;
  unsigned coded_height;
};
static_assert(sizeof(Frame) == 200 && offsetof(Frame, width) == 104 && offsetof(Frame, luma_bits) == 120);
static_assert(offsetof(Frame, pts) == 152 && offsetof(Frame, colors) == 168);

constexpr int kSuccess = 0;
constexpr int kStreamBufferFull = 22;  // RETCODE_STREAM_BUF_FULL of vpuapi.h; also where the queue is full
constexpr int kStatusStopped = 5;      // BMDEC_STOP
constexpr int kStatusHung = 6;

/// Members are named like the functions.
struct Api {
  int (*BMVidDecCreate)(VideoDecoder** decoder, Parameters parameters);
  int (*BMVidDecDelete)(VideoDecoder* decoder);
  int (*BMVidDecDecode)(VideoDecoder* decoder, VideoPacket packet);
  int (*BMVidDecFlush)(VideoDecoder* decoder);

  /// Null: none is ready. Valid until it is cleared; the decoder's own.
  Frame* (*BMVidDecGetOutput)(VideoDecoder* decoder);
  int (*BMVidDecClearOutput)(VideoDecoder* decoder, Frame* frame);
  int (*BMVidGetStatus)(VideoDecoder* decoder);
};

}  // namespace old

namespace now {  // bmvpu_dec_*

struct DmaBuffer {
  unsigned size_bytes;
  unsigned long physical;
  unsigned long virtual_address;
};
static_assert(sizeof(DmaBuffer) == 24);

/// What both libraries have in common, up to the buffers that a user may bring.
struct ParametersHead {
  int codec;
  int output_map;
  int skip_mode;
  int stream_mode;
  int crops;
  int pixel_format;
  int secondary_axi;
  int mpeg4_class;
  int frame_delay;
  int board;
  int keeps_on_board;
  int enable_cache;
  int perf;
  int core;
  int queue_depth;
  int decode_order;
  int width;
  int height;
  int timeout;
  int timeout_count;
  int extra_frames;
  int least_frames;
  int frame_buffer_delay;
  int stream_buffer_bytes;
};
static_assert(sizeof(ParametersHead) == 96);

constexpr int kSuccess = 0;
constexpr int kNoRoom = -16;     // BM_ERR_VDEC_NOBUF: the stream buffer has no room for the access unit
constexpr int kQueueFull = -14;  // BM_ERR_VDEC_BUF_FULL: 20 access units wait
constexpr int kStatusStopped = 9;
constexpr int kStatusHungBm1684 = 11;  // behind one for timeouts
constexpr int kStatusHungBm1688 = 10;

/// Members are named like the functions. They are void* in the API where they are bytes here: each library has its own
/// layout, below.
template <typename Parameters, typename Frame>
struct Api {
  int (*bmvpu_dec_create)(VideoDecoder** decoder, Parameters parameters);
  int (*bmvpu_dec_delete)(VideoDecoder* decoder);
  int (*bmvpu_dec_decode)(VideoDecoder* decoder, VideoPacket packet);
  int (*bmvpu_dec_flush)(VideoDecoder* decoder);

  /// Not success: none is ready.
  int (*bmvpu_dec_get_output)(VideoDecoder* decoder, Frame* frame);
  int (*bmvpu_dec_clear_output)(VideoDecoder* decoder, Frame* frame);
  int (*bmvpu_dec_get_status)(VideoDecoder* decoder);
};

}  // namespace now

namespace bm1684 {  // libbmvideo.so

struct Parameters {
  now::ParametersHead head;
  now::DmaBuffer stream_buffer;
  now::DmaBuffer* buffers[3];
  int reserved[13];
};
static_assert(sizeof(Parameters) == 200);

struct Frame {
  int kind;
  int is_interlaced;
  unsigned char* planes[8];
  int strides[8];
  unsigned width;
  unsigned height;
  int luma_bits;
  int chroma_bits;
  int pixel_format;
  int endian;
  int sequence;
  int index;
  std::uint64_t pts;
  std::uint64_t dts;
  FrameColors colors;
  int size_bytes;
  unsigned coded_width;
  unsigned coded_height;
};
static_assert(sizeof(Frame) == 184 && offsetof(Frame, width) == 104 && offsetof(Frame, luma_bits) == 112);
static_assert(offsetof(Frame, pts) == 136 && offsetof(Frame, colors) == 152);

using Api = now::Api<Parameters, Frame>;

}  // namespace bm1684

namespace bm1688 {  // libbmvd.so

struct Parameters {
  now::ParametersHead head;
  now::DmaBuffer* buffers[4];
  int reserved[13];
};
static_assert(sizeof(Parameters) == 184);

struct Frame {
  int kind;
  unsigned char* planes[8];
  int strides[8];
  unsigned width;
  unsigned height;
  int is_interlaced;
  int luma_bits;
  int chroma_bits;
  int pixel_format;
  int endian;
  int sequence;
  int index;
  std::uint64_t pts;
  std::uint64_t dts;
  FrameColors colors;  // never filled
  int size_bytes;
  unsigned coded_width;
  unsigned coded_height;
};
static_assert(sizeof(Frame) == 192 && offsetof(Frame, width) == 104 && offsetof(Frame, luma_bits) == 116);
static_assert(offsetof(Frame, pts) == 144 && offsetof(Frame, colors) == 160);

using Api = now::Api<Parameters, Frame>;

}  // namespace bm1688

}  // namespace bm
