// Stand-in for libnvcuvid.so.1, for tests alone: the functions that the backend calls, under their exported names.
// Pictures come from FFmpeg's decoders, so that they have the bits that the CPU's have; "decoded" in the order of display,
// since that is the order in which FFmpeg gives them.
//
// It checks its caller: handles, a context that is current, surfaces that exist and hold a picture, as many mapped at a
// time as were asked for, each unmapped once and read by no work that is still pending, what it makes destroyed.
// It finds the stand-in of libcuda as the real one finds the driver: by dlopen.

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "cuvid.h"
#include "door.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace stand_in {
namespace {

constexpr int kSuccess = 0;
constexpr int kInvalidValue = 1;
constexpr int kInvalidContext = 201;
constexpr int kInvalidHandle = 400;
constexpr int kUnknown = 999;
constexpr std::size_t kPitchAlignment = 512;

constexpr const char* kParser = "video parser";
constexpr const char* kDecoder = "video decoder";
constexpr const char* kLock = "context lock";
constexpr const char* kMapped = "mapped frame";

const Door& door() {
  static const Door* const found = [] {
    void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    const void* const symbol = driver != nullptr ? dlsym(driver, kDoorName) : nullptr;
    if (symbol != nullptr) return static_cast<const Door*>(symbol);
    std::fputs("stand-in: libnvcuvid needs the stand-in of libcuda beside it\n", stderr);
    std::abort();
  }();
  return *found;
}

void broken(const std::string& rule) { door().broken(rule.c_str()); }

/// Every function begins with it.
int begin(const char* call) {
  if (!door().has_context(call)) return kInvalidContext;
  return door().fails(call) ? kUnknown : kSuccess;
}

struct Lock {
  int users = 0;
};

struct Surface {
  FramePointer picture;
};

struct Decoder {
  nvcuvid::CreateInfo info;
  Lock* lock;
  std::vector<Surface> surfaces;
  std::map<unsigned long long, int> mapped;  // address -> surface
};

struct PictureParameters {
  int picture_index;
  FramePointer picture;
};

struct Shown {
  int picture_index;
  long long timestamp;
};

struct Parser {
  explicit Parser(const nvcuvid::ParserParameters& wanted) : parameters(wanted), stream(wanted.codec) {}

  nvcuvid::ParserParameters parameters;
  ByteStream stream;
  nvcuvid::Format format{};
  bool has_format = false;
  int surfaces = 0;
  int next_surface = 0;
  std::deque<Shown> waiting;  // decoded, not yet displayed
};

bool same_format(const nvcuvid::Format& left, const nvcuvid::Format& right) {
  return left.display_area.right == right.display_area.right && left.display_area.bottom == right.display_area.bottom &&
         left.chroma_format == right.chroma_format && left.signal_flags == right.signal_flags &&
         left.matrix_coefficients == right.matrix_coefficients;
}

/// Displays until no more than `keep` wait; false if the caller failed.
bool display(Parser& parser, std::size_t keep) {
  while (parser.waiting.size() > keep) {
    const Shown shown = parser.waiting.front();
    parser.waiting.pop_front();
    nvcuvid::DisplayInfo info{shown.picture_index, 1, 0, 0, shown.timestamp};
    if (parser.parameters.on_display(parser.parameters.user_data, &info) == 0) return false;
  }
  return true;
}

/// One picture on its way from the stream to the caller; false if the caller failed.
bool take(Parser& parser, const FramePointer& picture) {
  const nvcuvid::ParserParameters& caller = parser.parameters;
  nvcuvid::Format format = describe(*picture, caller.codec);
  if (!parser.has_format || !same_format(format, parser.format)) {
    if (!display(parser, 0)) return false;
    parser.has_format = true;
    parser.format = format;
    parser.surfaces = caller.on_sequence(caller.user_data, &format);
    parser.next_surface = 0;
    if (parser.surfaces == 0) return false;
  }
  PictureParameters decoded{parser.next_surface, picture};
  parser.next_surface = (parser.next_surface + 1) % parser.surfaces;
  if (caller.on_decode(caller.user_data, reinterpret_cast<nvcuvid::PictureParameters*>(&decoded)) == 0) return false;
  parser.waiting.push_back({decoded.picture_index, picture->best_effort_timestamp});
  return display(parser, caller.max_display_delay);
}

/// The decoder's surface with that number; null, and a rule broken, if there is none.
Surface* surface_of(Decoder* decoder, int index, const char* call) {
  if (!door().expect(kDecoder, decoder, call)) return nullptr;
  if (index >= 0 && static_cast<std::size_t>(index) < decoder->surfaces.size()) {
    return &decoder->surfaces[static_cast<std::size_t>(index)];
  }
  broken(std::string(call) + ": there is no decode surface " + std::to_string(index));
  return nullptr;
}

struct Fill {
  FramePointer picture;
  unsigned long long address;
  std::size_t pitch;
};

std::size_t pitch_of(const AVFrame& picture) {
  return (static_cast<std::size_t>(picture.width) + kPitchAlignment - 1) / kPitchAlignment * kPitchAlignment;
}

std::size_t mapped_bytes(const AVFrame& picture) {
  return pitch_of(picture) * static_cast<std::size_t>(picture.height + (picture.height + 1) / 2);
}

void fill(void* data) {
  const std::unique_ptr<Fill> work(static_cast<Fill*>(data));
  void* const bytes = door().bytes(reinterpret_cast<void*>(work->address), mapped_bytes(*work->picture), "video frame");
  if (bytes != nullptr) write_nv12(*work->picture, static_cast<unsigned char*>(bytes), work->pitch);
}

}  // namespace
}  // namespace stand_in

using namespace stand_in;  // NOLINT: what follows is C

EXPORT int cuvidGetDecoderCaps(nvcuvid::Capabilities* caps) {
  if (const int failed = begin("cuvidGetDecoderCaps")) return failed;
  caps->is_supported = (caps->codec == nvcuvid::kH264 || caps->codec == nvcuvid::kH265) &&
                       caps->chroma_format == nvcuvid::k420 && caps->bits_minus_8 == 0;
  caps->min_width = caps->min_height = 48;
  caps->max_width = caps->max_height = 4096;
  caps->max_macroblocks = 65536;
  return kSuccess;
}

EXPORT int cuvidCtxLockCreate(stand_in::Lock** lock, void* context) {
  if (const int failed = begin("cuvidCtxLockCreate")) return failed;
  if (!door().expect("primary context", context, "cuvidCtxLockCreate")) return kInvalidContext;
  *lock = new Lock;
  door().born(kLock, *lock);
  return kSuccess;
}
EXPORT int cuvidCtxLockDestroy(stand_in::Lock* lock) {
  if (!door().died(kLock, lock)) return kInvalidHandle;
  if (lock->users == 0) {
    delete lock;
  } else {
    broken("cuvidCtxLockDestroy: a decoder still has it");
  }
  return begin("cuvidCtxLockDestroy");
}

EXPORT int cuvidCreateVideoParser(stand_in::Parser** parser, nvcuvid::ParserParameters* parameters) {
  if (const int failed = begin("cuvidCreateVideoParser")) return failed;
  const bool is_whole = parameters->on_sequence != nullptr && parameters->on_decode != nullptr &&
                        parameters->on_display != nullptr && parameters->max_decode_surfaces > 0;
  if (!is_whole || (parameters->codec != nvcuvid::kH264 && parameters->codec != nvcuvid::kH265)) {
    broken("cuvidCreateVideoParser: parameters are missing");
    return kInvalidValue;
  }
  *parser = new Parser(*parameters);
  door().born(kParser, *parser);
  return kSuccess;
}
EXPORT int cuvidParseVideoData(stand_in::Parser* parser, nvcuvid::Packet* packet) {
  if (!door().expect(kParser, parser, "cuvidParseVideoData")) return kInvalidHandle;
  if (const int failed = begin("cuvidParseVideoData")) return failed;
  const bool at_end = (packet->flags & nvcuvid::kEndOfStream) != 0;
  if (!at_end && (packet->size == 0 || packet->data == nullptr || (packet->flags & nvcuvid::kTimestamp) == 0)) {
    broken("cuvidParseVideoData: a packet without data or time");
    return kInvalidValue;
  }
  parser->stream.push(packet->data, at_end ? 0 : packet->size, packet->timestamp);
  bool is_sound = true;
  while (const FramePointer picture = parser->stream.pop()) is_sound = is_sound && take(*parser, picture);
  if (is_sound && at_end) is_sound = display(*parser, 0);
  return is_sound ? kSuccess : kUnknown;
}
EXPORT int cuvidDestroyVideoParser(stand_in::Parser* parser) {
  if (!door().died(kParser, parser)) return kInvalidHandle;
  delete parser;
  return begin("cuvidDestroyVideoParser");
}

EXPORT int cuvidCreateDecoder(stand_in::Decoder** decoder, nvcuvid::CreateInfo* info) {
  if (const int failed = begin("cuvidCreateDecoder")) return failed;
  auto* const lock = reinterpret_cast<Lock*>(info->lock);
  if (lock != nullptr && !door().expect(kLock, lock, "cuvidCreateDecoder")) return kInvalidHandle;
  if (info->decode_surfaces == 0 || info->output_surfaces == 0 || info->target_width % 2 != 0 || info->target_height % 2 != 0) {
    broken("cuvidCreateDecoder: no surfaces, or an odd size");
    return kInvalidValue;
  }
  *decoder = new Decoder{*info, lock, std::vector<Surface>(info->decode_surfaces), {}};
  if (lock != nullptr) ++lock->users;
  door().born(kDecoder, *decoder);
  return kSuccess;
}
EXPORT int cuvidDecodePicture(stand_in::Decoder* decoder, nvcuvid::PictureParameters* parameters) {
  const auto* const decoded = reinterpret_cast<const stand_in::PictureParameters*>(parameters);
  Surface* const surface = surface_of(decoder, decoded->picture_index, "cuvidDecodePicture");
  if (surface == nullptr) return kInvalidHandle;
  if (const int failed = begin("cuvidDecodePicture")) return failed;
  if (static_cast<int>(decoder->info.target_width) != decoded->picture->width ||
      static_cast<int>(decoder->info.target_height) != decoded->picture->height) {
    broken("cuvidDecodePicture: the decoder was made for another size");
    return kInvalidValue;
  }
  for (const auto& [address, index] : decoder->mapped) {
    if (index == decoded->picture_index) broken("cuvidDecodePicture: its surface is still mapped");
  }
  surface->picture = decoded->picture;
  return kSuccess;
}
EXPORT int cuvidMapVideoFrame64(stand_in::Decoder* decoder, int index, unsigned long long* address, unsigned* pitch,
                                nvcuvid::OutputParameters* parameters) {
  Surface* const surface = surface_of(decoder, index, "cuvidMapVideoFrame64");
  if (surface == nullptr) return kInvalidHandle;
  if (const int failed = begin("cuvidMapVideoFrame64")) return failed;
  if (surface->picture == nullptr || decoder->mapped.size() == decoder->info.output_surfaces) {
    broken("cuvidMapVideoFrame64: the surface is empty, or all output surfaces are mapped");
    return kInvalidValue;
  }
  void* const memory = door().allocate(mapped_bytes(*surface->picture));
  if (memory == nullptr) return kUnknown;
  door().born(kMapped, memory);
  *address = reinterpret_cast<unsigned long long>(memory);
  *pitch = static_cast<unsigned>(pitch_of(*surface->picture));
  decoder->mapped[*address] = index;
  // The engine writes in the order of the caller's stream: whoever reads elsewhere, or does not wait, reads too early.
  auto work = std::make_unique<Fill>(Fill{surface->picture, *address, *pitch});
  if (!door().launch(parameters->stream, fill, work.get())) return kInvalidHandle;
  static_cast<void>(work.release());
  return kSuccess;
}
EXPORT int cuvidGetDecodeStatus(stand_in::Decoder* decoder, int index, nvcuvid::DecodeStatus* status) {
  const Surface* const surface = surface_of(decoder, index, "cuvidGetDecodeStatus");
  if (surface == nullptr || surface->picture == nullptr) return kInvalidHandle;
  if (const int failed = begin("cuvidGetDecodeStatus")) return failed;
  const AVFrame& picture = *surface->picture;
  const bool is_damaged = picture.decode_error_flags != 0 || (picture.flags & AV_FRAME_FLAG_CORRUPT) != 0;
  status->state = is_damaged ? nvcuvid::kConcealed : static_cast<nvcuvid::DecodeState>(2);
  return kSuccess;
}
EXPORT int cuvidUnmapVideoFrame64(stand_in::Decoder* decoder, unsigned long long address) {
  if (!door().expect(kDecoder, decoder, "cuvidUnmapVideoFrame64")) return kInvalidHandle;
  if (decoder->mapped.erase(address) == 0) {
    broken("cuvidUnmapVideoFrame64: no frame of this decoder is mapped there");
    return kInvalidValue;
  }
  void* const memory = reinterpret_cast<void*>(address);
  door().died(kMapped, memory);
  door().release(memory);
  return begin("cuvidUnmapVideoFrame64");
}
EXPORT int cuvidDestroyDecoder(stand_in::Decoder* decoder) {
  if (!door().died(kDecoder, decoder)) return kInvalidHandle;
  if (!decoder->mapped.empty()) broken("cuvidDestroyDecoder: frames are still mapped");
  if (decoder->lock != nullptr) --decoder->lock->users;
  delete decoder;
  return begin("cuvidDestroyDecoder");
}
