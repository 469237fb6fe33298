// The part of NVIDIA's video decoder API (libnvcuvid.so.1, part of the driver) that this module calls, declared by us.
// Functions, structures and values: "NVDEC Video Decoder API Programming Guide", and the interface headers of the Video
// Codec SDK that FFmpeg's nv-codec-headers publishes (release 11.1); tests/nvcuvid_header_check.cc compares with them.
// Fields that stay zero are counted, not named.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/cuda_driver.h"

namespace nvcuvid {

struct Decoder;
struct Lock;
struct Parser;
struct PictureParameters;  // made by the parser, for the decoder

using Long = unsigned long;  // 64 bits on LP64

enum Codec : int { kH264 = 4, kH265 = 8 };
enum ChromaFormat : int { k420 = 1 };
enum SurfaceFormat : int { kNv12 = 0 };
enum Deinterlace : int { kWeave = 0, kAdaptive = 2 };
enum CreationFlags : Long { kPreferEngine = 4 };
enum DecodeState : int { kDamaged = 8, kConcealed = 9 };  // cuvidDecodeStatus; smaller: nothing is known to be wrong
enum PacketFlags : Long { kEndOfStream = 1, kTimestamp = 2, kEndOfPicture = 8 };

struct Rectangle {
  int left, top, right, bottom;
};
struct ShortRectangle {
  short left, top, right, bottom;
};

struct Format {  // CUVIDEOFORMAT
  Codec codec;
  unsigned frame_rate[2];
  unsigned char is_progressive;
  unsigned char luma_bits_minus_8;
  unsigned char chroma_bits_minus_8;
  unsigned char min_decode_surfaces;
  unsigned coded_width, coded_height;
  Rectangle display_area;
  ChromaFormat chroma_format;
  unsigned bitrate;
  int aspect_ratio[2];
  unsigned char signal_flags;  // bits 0 to 2: video_format, bit 3: full range
  unsigned char color_primaries;
  unsigned char transfer_characteristics;
  unsigned char matrix_coefficients;  // ITU-T H.264 table E-5: 1 is BT.709
  unsigned sequence_header_size;
};
static_assert(sizeof(Format) == 64 && offsetof(Format, display_area) == 24, "CUVIDEOFORMAT");
static_assert(offsetof(Format, signal_flags) == 56 && offsetof(Format, matrix_coefficients) == 59, "CUVIDEOFORMAT");

struct DisplayInfo {  // CUVIDPARSERDISPINFO
  int picture_index;
  int is_progressive;
  int top_field_first;
  int repeat_first_field;  // -1: one field alone
  long long timestamp;
};
static_assert(sizeof(DisplayInfo) == 24, "CUVIDPARSERDISPINFO");

struct ParserParameters {  // CUVIDPARSERPARAMS
  Codec codec;
  unsigned max_decode_surfaces;
  unsigned clock_rate;  // Hz of timestamps
  unsigned error_threshold;
  unsigned max_display_delay;
  unsigned reserved[5];
  void* user_data;
  int (*on_sequence)(void* user_data, Format* format);  // 0: failed, else how many decode surfaces there are
  int (*on_decode)(void* user_data, PictureParameters* picture);
  int (*on_display)(void* user_data, DisplayInfo* picture);
  void* reserved_pointers[8];
};
static_assert(sizeof(ParserParameters) == 136 && offsetof(ParserParameters, user_data) == 40, "CUVIDPARSERPARAMS");

struct Packet {  // CUVIDSOURCEDATAPACKET
  Long flags;
  Long size;
  const unsigned char* data;
  long long timestamp;
};
static_assert(sizeof(Packet) == 32, "CUVIDSOURCEDATAPACKET");

struct Capabilities {  // CUVIDDECODECAPS
  Codec codec;
  ChromaFormat chroma_format;
  unsigned bits_minus_8;
  unsigned reserved[3];
  unsigned char is_supported;
  unsigned char engines;
  unsigned short surface_formats;  // a bit each
  unsigned max_width, max_height;
  unsigned max_macroblocks;
  unsigned short min_width, min_height;
  unsigned reserved_2[11];
};
static_assert(sizeof(Capabilities) == 88 && offsetof(Capabilities, max_width) == 28, "CUVIDDECODECAPS");

struct CreateInfo {  // CUVIDDECODECREATEINFO
  Long width, height;
  Long decode_surfaces;
  Codec codec;
  ChromaFormat chroma_format;
  Long creation_flags;
  Long bits_minus_8;
  Long intra_only;
  Long max_width, max_height;
  Long reserved;
  ShortRectangle display_area;
  SurfaceFormat surface_format;
  Deinterlace deinterlace;
  Long target_width, target_height;
  Long output_surfaces;
  Lock* lock;
  ShortRectangle target;
  Long reserved_2[5];
};
static_assert(sizeof(CreateInfo) == 176 && offsetof(CreateInfo, display_area) == 80, "CUVIDDECODECREATEINFO");
static_assert(offsetof(CreateInfo, lock) == 120, "CUVIDDECODECREATEINFO");

struct OutputParameters {  // CUVIDPROCPARAMS
  int is_progressive;
  int second_field;
  int top_field_first;
  int unpaired_field;
  unsigned reserved[2];
  unsigned long long raw_input;
  unsigned raw_input_format[2];
  unsigned long long raw_output;
  unsigned raw_output_format[2];
  cuda::Stream* stream;
  unsigned reserved_2[46];
  void* reserved_pointers[2];
};
static_assert(sizeof(OutputParameters) == 264 && offsetof(OutputParameters, stream) == 56, "CUVIDPROCPARAMS");

struct DecodeStatus {  // CUVIDGETDECODESTATUS
  DecodeState state;
  unsigned reserved[31];
  void* reserved_pointers[8];
};
static_assert(sizeof(DecodeStatus) == 192, "CUVIDGETDECODESTATUS");

/// One pointer per function, in the order of kSymbols.
struct Api {
  cuda::Result (*cuvidGetDecoderCaps)(Capabilities* capabilities);
  cuda::Result (*cuvidCreateVideoParser)(Parser** parser, ParserParameters* parameters);
  cuda::Result (*cuvidParseVideoData)(Parser* parser, Packet* packet);
  cuda::Result (*cuvidDestroyVideoParser)(Parser* parser);
  cuda::Result (*cuvidCreateDecoder)(Decoder** decoder, CreateInfo* info);
  cuda::Result (*cuvidDecodePicture)(Decoder* decoder, PictureParameters* picture);
  cuda::Result (*cuvidMapVideoFrame)(Decoder* decoder, int picture_index, cuda::DevicePointer* frame, unsigned* pitch,
                                     OutputParameters* parameters);
  cuda::Result (*cuvidGetDecodeStatus)(Decoder* decoder, int picture_index, DecodeStatus* status);
  cuda::Result (*cuvidUnmapVideoFrame)(Decoder* decoder, cuda::DevicePointer frame);
  cuda::Result (*cuvidDestroyDecoder)(Decoder* decoder);
  cuda::Result (*cuvidCtxLockCreate)(Lock** lock, cuda::Context* context);
  cuda::Result (*cuvidCtxLockDestroy)(Lock* lock);
};
inline constexpr const char* kSymbols[] = {
    "cuvidGetDecoderCaps", "cuvidCreateVideoParser", "cuvidParseVideoData",    "cuvidDestroyVideoParser",
    "cuvidCreateDecoder",  "cuvidDecodePicture",     "cuvidMapVideoFrame64",   "cuvidGetDecodeStatus",
    "cuvidUnmapVideoFrame64", "cuvidDestroyDecoder", "cuvidCtxLockCreate",  "cuvidCtxLockDestroy",
};
static_assert(sizeof(Api) == sizeof kSymbols, "one symbol per function");

}  // namespace nvcuvid
