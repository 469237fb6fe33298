// A stand-in for the VPU decoder's library, for tests alone, in the dialect that SOPHON_STUB_DIALECT chooses: 1
// BMVidDec* (libbmvideo up to 23.10.01), 2 bmvpu_dec_* (from 24.04.01 on), 3 bmvpu_dec_* of BM1688's libbmvd.
//
// What it decodes is no video: an access unit is a Header and the picture's NV12 bytes. It behaves like one: a picture
// comes out when the next access unit has come in, none while as many as its user may keep are kept, and then soon
// nothing more goes in.

#include <cstring>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "../../abi/bmvpu.h"
#include "../packets.h"
#include "stub.h"

using stub::bytes_at;
using stub::fails;
using stub::require;

#if SOPHON_STUB_DIALECT == 1
using Frame = bm::old::Frame;
using Parameters = bm::old::Parameters;
using Shared = bm::old::Parameters;
constexpr int kFull = bm::old::kStreamBufferFull;
constexpr int kNoRoom = kFull;
constexpr int kStopped = bm::old::kStatusStopped;
constexpr int kHung = bm::old::kStatusHung;
constexpr int kDecoding = 3;
#else
#if SOPHON_STUB_DIALECT == 2
using Frame = bm::bm1684::Frame;
using Parameters = bm::bm1684::Parameters;
constexpr int kHung = bm::now::kStatusHungBm1684;
#else
using Frame = bm::bm1688::Frame;
using Parameters = bm::bm1688::Parameters;
constexpr int kHung = bm::now::kStatusHungBm1688;
#endif
using Shared = bm::now::ParametersHead;
constexpr int kFull = bm::now::kQueueFull;
constexpr int kNoRoom = bm::now::kNoRoom;
constexpr int kStopped = bm::now::kStatusStopped;
constexpr int kDecoding = 6;
#endif

namespace bm {

struct VideoDecoder {
  struct Unit {
    std::vector<unsigned char> bytes;
    std::uint64_t pts;
  };

  Handle handle = nullptr;
  std::size_t most_kept = 0;
  std::deque<Unit> input;
  std::deque<Frame> ready;
  std::map<int, std::pair<Frame, DeviceMemory>> frames;  // by index: those that are ready and those that are kept
  int next_index = 0;
  bool is_flushed = false;
};

}  // namespace bm

namespace {

constexpr std::size_t kQueue = 20;
constexpr std::size_t kStreamBytes = 100'000;  // of a box 4 MiB; here the buffer, too, is to be full in a test
constexpr int kFailure = -1;

Frame make_frame(bm::VideoDecoder& decoder, const bm::VideoDecoder::Unit& unit, bm::DeviceMemory& memory) {
  stub::PacketHeader header{};
  std::memcpy(&header, unit.bytes.data(), sizeof header);
  const int stride = (header.width + 63) / 64 * 64;
  const int rows = (header.height + 15) / 16 * 16;
  constexpr int kVideoHeap = 2;
  memory = sophon_stub_take(decoder.handle, static_cast<unsigned>(stride * rows / 2 * 3), kVideoHeap);
  const unsigned char* from = unit.bytes.data() + sizeof header;
  for (int row = 0; row < header.height / 2 * 3; ++row, from += header.width) {
    const int at = row < header.height ? row : rows + row - header.height;
    std::memcpy(bytes_at(memory.address) + std::ptrdiff_t{at} * stride, from, header.width);
  }
  Frame frame{};
  frame.planes[4] = bytes_at(memory.address);
  frame.planes[5] = frame.planes[4] + std::ptrdiff_t{stride} * rows;
  frame.strides[0] = frame.strides[1] = stride;
  frame.width = header.width;
  frame.height = header.height;
  frame.luma_bits = frame.chroma_bits = header.bits;
  frame.index = decoder.next_index++;
  frame.pts = unit.pts;
  frame.colors.matrix = header.matrix;
  frame.colors.range = header.range;
  return frame;
}

/// As far as there is input, and room for what comes out.
void work(bm::VideoDecoder& decoder) {
  const std::size_t waits = decoder.is_flushed ? 0 : 1;
  while (decoder.input.size() > waits && decoder.frames.size() < decoder.most_kept) {
    bm::DeviceMemory memory{};
    const Frame frame = make_frame(decoder, decoder.input.front(), memory);
    decoder.input.pop_front();
    decoder.frames[frame.index] = {frame, memory};
    decoder.ready.push_back(frame);
  }
}

int create(bm::VideoDecoder** decoder, const Shared& wish) {
  require(wish.codec == bm::kAvc || wish.codec == bm::kHevc, "codecs are H.264 and H.265");
  require(wish.output_map == 0, "pictures come in plain rows, which the host can read, too");
  require(wish.stream_mode == bm::kPictureEnd, "each call brings one access unit");
  require(wish.keeps_on_board == 1, "behind PCIe no picture comes to the host by itself");
  auto* made = new bm::VideoDecoder;
  require(bm_dev_request(&made->handle, wish.board) == bm::kSuccess, "there is a device");
  made->most_kept = static_cast<std::size_t>(wish.extra_frames);
  *decoder = made;
  return 0;
}

int remove(bm::VideoDecoder* decoder) {
  require(decoder->frames.size() == decoder->ready.size(), "kept pictures go back before their decoder");
  for (auto& [index, frame] : decoder->frames) bm_free_device(decoder->handle, frame.second);
  bm_dev_free(decoder->handle);
  delete decoder;
  return 0;
}

int decode(bm::VideoDecoder* decoder, const bm::VideoPacket& packet) {
  const bool is_plain = packet.header == nullptr && packet.extra == nullptr && packet.end_of_stream == 0;
  require(is_plain, "packets are Annex B alone");
  require(!decoder->is_flushed, "nothing follows the end");
  stub::PacketHeader header{};
  if (packet.size_bytes < sizeof header) return kFailure;
  std::memcpy(&header, packet.data, sizeof header);
  if (packet.size_bytes != sizeof header + header.width * header.height / 2U * 3U) return kFailure;
  if (decoder->input.size() >= kQueue) return kFull;
  if ((decoder->input.size() + 1) * packet.size_bytes > kStreamBytes) return kNoRoom;
  decoder->input.push_back({{packet.data, packet.data + packet.size_bytes}, packet.pts});
  work(*decoder);
  return 0;
}

int flush(bm::VideoDecoder* decoder) {
  decoder->is_flushed = true;
  work(*decoder);
  return 0;
}

bool get(bm::VideoDecoder* decoder, Frame& frame) {
  work(*decoder);
  if (decoder->ready.empty()) return false;
  frame = decoder->ready.front();
  decoder->ready.pop_front();
  return true;
}

int clear(bm::VideoDecoder* decoder, const Frame& frame) {
  const auto kept = decoder->frames.find(frame.index);
  require(kept != decoder->frames.end() && kept->second.first.planes[4] == frame.planes[4],
          "a kept picture goes back once");
  bm_free_device(decoder->handle, kept->second.second);
  decoder->frames.erase(kept);
  work(*decoder);
  return 0;
}

int status(const bm::VideoDecoder& decoder) {
  return decoder.is_flushed && decoder.input.empty() ? kStopped : kDecoding;
}

}  // namespace

#if SOPHON_STUB_DIALECT == 1

STUB_EXPORT int BMVidDecCreate(bm::VideoDecoder** decoder, Parameters parameters) {
  require(parameters.is_interleaved == 1 && parameters.is_nv21 == 0, "pictures are NV12");
  return fails("BMVidDecCreate") ? kFailure : create(decoder, parameters);
}
STUB_EXPORT int BMVidDecDelete(bm::VideoDecoder* decoder) { return remove(decoder); }
STUB_EXPORT int BMVidDecDecode(bm::VideoDecoder* decoder, bm::VideoPacket packet) {
  return fails("BMVidDecDecode") ? kFailure : decode(decoder, packet);
}
STUB_EXPORT int BMVidDecFlush(bm::VideoDecoder* decoder) {
  return fails("BMVidDecFlush") ? kFailure : flush(decoder);
}
STUB_EXPORT Frame* BMVidDecGetOutput(bm::VideoDecoder* decoder) {
  static Frame last;
  return get(decoder, last) ? &last : nullptr;
}
STUB_EXPORT int BMVidDecClearOutput(bm::VideoDecoder* decoder, Frame* frame) { return clear(decoder, *frame); }
STUB_EXPORT int BMVidGetStatus(bm::VideoDecoder* decoder) { return fails("BMVidGetStatus") ? kHung : status(*decoder); }

#else

STUB_EXPORT int bmvpu_dec_create(bm::VideoDecoder** decoder, Parameters parameters) {
  require(parameters.head.pixel_format == bm::kVideoNv12, "pictures are NV12");
  return fails("bmvpu_dec_create") ? kFailure : create(decoder, parameters.head);
}
STUB_EXPORT int bmvpu_dec_delete(bm::VideoDecoder* decoder) { return remove(decoder); }
STUB_EXPORT int bmvpu_dec_decode(bm::VideoDecoder* decoder, bm::VideoPacket packet) {
  return fails("bmvpu_dec_decode") ? kFailure : decode(decoder, packet);
}
STUB_EXPORT int bmvpu_dec_flush(bm::VideoDecoder* decoder) {
  return fails("bmvpu_dec_flush") ? kFailure : flush(decoder);
}
STUB_EXPORT int bmvpu_dec_get_output(bm::VideoDecoder* decoder, Frame* frame) {
  return get(decoder, *frame) ? 0 : kFailure;
}
STUB_EXPORT int bmvpu_dec_clear_output(bm::VideoDecoder* decoder, Frame* frame) { return clear(decoder, *frame); }
STUB_EXPORT int bmvpu_dec_get_status(bm::VideoDecoder* decoder) {
  return fails("bmvpu_dec_get_status") ? kHung : status(*decoder);
}

#endif
