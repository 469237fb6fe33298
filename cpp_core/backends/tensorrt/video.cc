#include "video.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <iterator>
#include <memory>

#include "abi/nvcuvid.h"
#include "device_picture.h"
#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using module::fail;

constexpr char kSoname[] = "libnvcuvid.so.1";
constexpr unsigned kMicrosecondClock = 1000000;
constexpr unsigned kDisplayDelay = 1;  // pictures that may wait, so that the engine is never idle
constexpr nvcuvid::Long kOutputSurfaces = 2;

Code open_library(nvcuvid::Api& api, Error* error) noexcept {
  void* library = dlopen(kSoname, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(error, Code::kNotFound,
                "the video engine's library cannot be opened: %s; it comes with the driver, in a container with "
                "NVIDIA_DRIVER_CAPABILITIES=video (or all)",
                dlerror());
  }
  void* found[std::size(nvcuvid::kSymbols)];
  for (std::size_t i = 0; i < std::size(found); ++i) {
    found[i] = dlsym(library, nvcuvid::kSymbols[i]);
    if (found[i] == nullptr) return fail(error, Code::kUnsupported, "%s: exports no %s", kSoname, nvcuvid::kSymbols[i]);
  }
  std::memcpy(&api, found, sizeof found);
  return Code::kOk;
}

const char* name_of(nvcuvid::Codec codec) noexcept { return codec == nvcuvid::kH264 ? "H.264" : "H.265"; }

/// As the core's reader of files: what a stream does not say follows from its size. False for a matrix that the core
/// has no constants for. Values: ITU-T H.264 table E-5.
bool find_matrix(const nvcuvid::Format& format, abi::ColorMatrix& matrix) noexcept {
  const nvcuvid::Rectangle& shown = format.display_area;
  const bool is_high = shown.right - shown.left >= 1280 || shown.bottom - shown.top > 576;
  switch (format.matrix_coefficients) {
    case 1: matrix = abi::ColorMatrix::kBt709; return true;
    case 5:
    case 6: matrix = abi::ColorMatrix::kBt601; return true;
    case 2:  // unspecified
    case 3: matrix = is_high ? abi::ColorMatrix::kBt709 : abi::ColorMatrix::kBt601; return true;
    default: return false;
  }
}

bool same_pictures(const nvcuvid::Format& left, nvcuvid::Format right) noexcept {
  right.bitrate = left.bitrate;
  std::memcpy(right.frame_rate, left.frame_rate, sizeof left.frame_rate);
  return std::memcmp(&left, &right, sizeof left) == 0;
}

class VideoDecoder final : public abi::Decoder {
 public:
  ~VideoDecoder() {
    if (lock_ == nullptr) return;
    const Current current(gpu_);
    if (parser_ != nullptr) api_.cuvidDestroyVideoParser(parser_);
    if (decoder_ != nullptr) api_.cuvidDestroyDecoder(decoder_);
    api_.cuvidCtxLockDestroy(lock_);
  }

  Code open(const Driver& driver, int device, nvcuvid::Codec codec, Error* error) noexcept {
    if (Code code = open_library(api_, error); code != Code::kOk) return code;
    if (Code code = gpu_.open(driver, device, error); code != Code::kOk) return code;
    if (Code code = stream_.create(gpu_, error); code != Code::kOk) return code;
    const Current current(gpu_, error);
    if (!current) return current.code();
    const cuda::Result locked = api_.cuvidCtxLockCreate(&lock_, gpu_.context());
    if (Code code = gpu_.check(locked, "cuvidCtxLockCreate", error); code != Code::kOk) return code;
    nvcuvid::ParserParameters parameters{};
    parameters.codec = codec;
    parameters.max_decode_surfaces = 1;  // until on_sequence() says how many
    parameters.clock_rate = kMicrosecondClock;
    parameters.max_display_delay = kDisplayDelay;
    parameters.user_data = this;
    parameters.on_sequence = [](void* self, nvcuvid::Format* format) {
      return static_cast<VideoDecoder*>(self)->on_sequence(*format);
    };
    parameters.on_decode = [](void* self, nvcuvid::PictureParameters* picture) {
      return static_cast<VideoDecoder*>(self)->on_decode(picture);
    };
    parameters.on_display = [](void* self, nvcuvid::DisplayInfo* picture) {
      return picture == nullptr ? 1 : static_cast<VideoDecoder*>(self)->on_display(*picture);
    };
    return gpu_.check(api_.cuvidCreateVideoParser(&parser_, &parameters), "cuvidCreateVideoParser", error);
  }

  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    nvcuvid::Packet packet{};
    packet.flags = size_bytes == 0 ? nvcuvid::kEndOfStream : nvcuvid::kTimestamp | nvcuvid::kEndOfPicture;
    packet.size = size_bytes;
    packet.data = static_cast<const unsigned char*>(bytes);
    packet.timestamp = pts_us;
    failure_ = {};
    const Current current(gpu_, error);
    if (!current) return current.code();
    const cuda::Result parsed = api_.cuvidParseVideoData(parser_, &packet);  // the three below run within
    if (failure_.code != Code::kOk) return fail(error, failure_.code, "%s", failure_.text);
    return gpu_.check(parsed, "cuvidParseVideoData", error);
  }

  Code pull(Picture* picture, std::int32_t* has_picture, Error*) noexcept override {
    *has_picture = ready_.empty() ? 0 : 1;
    if (ready_.empty()) return Code::kOk;
    *picture = ready_.front();
    ready_.pop_front();
    return Code::kOk;
  }

  void recycle(Picture* picture) noexcept override { pool_.give_back(*picture); }

  Code download(const Picture& picture, Picture* host, Error* error) noexcept override {
    return download_picture(stream_, picture, *host, error);
  }

  void release() noexcept override { delete this; }

 private:
  /// A stream begins, repeats what it is, or goes on as another, once all pictures of the former are handed out.
  int on_sequence(const nvcuvid::Format& format) noexcept {
    const nvcuvid::Long surfaces = std::max<nvcuvid::Long>(format.min_decode_surfaces, 1);
    if (decoder_ != nullptr && same_pictures(format, format_)) return static_cast<int>(surfaces);
    if (check_format(format) != Code::kOk) return 0;
    format_ = format;
    if (decoder_ != nullptr) api_.cuvidDestroyDecoder(std::exchange(decoder_, nullptr));
    const nvcuvid::Rectangle& shown = format.display_area;
    like_ = {};
    like_.width_px = shown.right - shown.left;
    like_.height_px = shown.bottom - shown.top;
    like_.layout = abi::PixelLayout::kSemiPlanar;
    find_matrix(format, like_.matrix);
    like_.range = (format.signal_flags >> 3 & 1) != 0 ? abi::ColorRange::kFull : abi::ColorRange::kLimited;

    nvcuvid::CreateInfo info{};
    info.width = info.max_width = format.coded_width;
    info.height = info.max_height = format.coded_height;
    info.decode_surfaces = surfaces;
    info.codec = format.codec;
    info.chroma_format = format.chroma_format;
    info.creation_flags = nvcuvid::kPreferEngine;
    info.display_area = {static_cast<short>(shown.left), static_cast<short>(shown.top),
                         static_cast<short>(shown.right), static_cast<short>(shown.bottom)};
    info.surface_format = nvcuvid::kNv12;
    info.deinterlace = format.is_progressive != 0 ? nvcuvid::kWeave : nvcuvid::kAdaptive;
    info.target_width = static_cast<nvcuvid::Long>(like_.width_px);
    info.target_height = static_cast<nvcuvid::Long>(like_.height_px);
    info.output_surfaces = kOutputSurfaces;
    info.lock = lock_;
    const cuda::Result created = api_.cuvidCreateDecoder(&decoder_, &info);
    return gpu_.check(created, "cuvidCreateDecoder", &failure_) == Code::kOk ? static_cast<int>(surfaces) : 0;
  }

  Code check_format(const nvcuvid::Format& format) noexcept {
    if (format.chroma_format != nvcuvid::k420 || format.luma_bits_minus_8 != 0 || format.chroma_bits_minus_8 != 0) {
      return fail(&failure_, Code::kUnsupported, "%s with chroma format %d, %d bits: only 4:2:0 of 8 bits is handled",
                  name_of(format.codec), format.chroma_format, format.luma_bits_minus_8 + 8);
    }
    const nvcuvid::Rectangle& shown = format.display_area;
    const int width = shown.right - shown.left;
    const int height = shown.bottom - shown.top;
    if (width <= 0 || height <= 0 || width % 2 != 0 || height % 2 != 0) {
      return fail(&failure_, Code::kUnsupported, "%s: pictures of %dx%d are not handled", name_of(format.codec), width,
                  height);
    }
    abi::ColorMatrix matrix{};
    if (!find_matrix(format, matrix)) {
      return fail(&failure_, Code::kUnsupported, "%s with colour matrix %d is not handled", name_of(format.codec),
                  format.matrix_coefficients);
    }
    nvcuvid::Capabilities capabilities{};
    capabilities.codec = format.codec;
    capabilities.chroma_format = format.chroma_format;
    const cuda::Result told = api_.cuvidGetDecoderCaps(&capabilities);
    if (Code code = gpu_.check(told, "cuvidGetDecoderCaps", &failure_); code != Code::kOk) return code;
    const unsigned macroblocks = format.coded_width / 16 * (format.coded_height / 16);
    const bool fits = format.coded_width >= capabilities.min_width && format.coded_width <= capabilities.max_width &&
                      format.coded_height >= capabilities.min_height &&
                      format.coded_height <= capabilities.max_height && macroblocks <= capabilities.max_macroblocks;
    if (capabilities.is_supported != 0 && fits) return Code::kOk;
    return fail(&failure_, Code::kUnsupported, "%s of %ux%u: %s decodes %ux%u to %ux%u of it%s", name_of(format.codec),
                format.coded_width, format.coded_height, gpu_.title().c_str(), unsigned{capabilities.min_width},
                unsigned{capabilities.min_height}, capabilities.max_width, capabilities.max_height,
                capabilities.is_supported != 0 ? "" : " (none)");
  }

  int on_decode(nvcuvid::PictureParameters* picture) noexcept {
    const cuda::Result decoded = api_.cuvidDecodePicture(decoder_, picture);
    return gpu_.check(decoded, "cuvidDecodePicture", &failure_) == Code::kOk ? 1 : 0;
  }

  int on_display(const nvcuvid::DisplayInfo& info) noexcept {
    nvcuvid::OutputParameters parameters{};
    parameters.is_progressive = info.is_progressive;
    parameters.second_field = info.repeat_first_field + 1;
    parameters.top_field_first = info.top_field_first;
    parameters.unpaired_field = info.repeat_first_field < 0 ? 1 : 0;
    parameters.stream = stream_.get();
    cuda::DevicePointer frame = 0;
    unsigned pitch = 0;
    const cuda::Result mapped =
        api_.cuvidMapVideoFrame(decoder_, info.picture_index, &frame, &pitch, &parameters);
    if (gpu_.check(mapped, "cuvidMapVideoFrame64", &failure_) != Code::kOk) return 0;
    Picture picture = like_;
    picture.pts_us = info.timestamp;
    const bool is_damage = is_damaged(info.picture_index);
    const double time_s = static_cast<double>(info.timestamp) / kMicrosecondClock;
    Code code = is_damage ? fail(&failure_, Code::kCorrupt, "the picture at %.3f s is damaged", time_s)
                          : copy_frame(frame, pitch, picture);
    // The engine's own work on the frame is in the stream, whatever becomes of the copy.
    const Code settled = settle(stream_, code == Code::kOk ? &failure_ : nullptr);
    if (code == Code::kOk) code = settled;
    const cuda::Result unmapped = api_.cuvidUnmapVideoFrame(decoder_, frame);
    const Code checked = gpu_.check(unmapped, "cuvidUnmapVideoFrame64", code == Code::kOk ? &failure_ : nullptr);
    if (code == Code::kOk) code = checked;
    if (code == Code::kOk) {
      ready_.push_back(picture);
    } else {
      pool_.give_back(picture);
    }
    return code == Code::kOk || is_damage ? 1 : 0;
  }

  /// A GPU that cannot tell says that its call failed.
  bool is_damaged(int picture_index) noexcept {
    nvcuvid::DecodeStatus status{};
    return api_.cuvidGetDecodeStatus(decoder_, picture_index, &status) == cuda::kSuccess &&
           (status.state == nvcuvid::kDamaged || status.state == nvcuvid::kConcealed);
  }

  /// The engine's frame: rows of luma, then rows of UV pairs, all `pitch` apart.
  Code copy_frame(cuda::DevicePointer frame, unsigned pitch, Picture& picture) noexcept {
    if (Code code = pool_.take(gpu_, picture, &failure_); code != Code::kOk) return code;
    for (int plane = 0; plane < plane_count(picture); ++plane) {
      const PlaneSize size = plane_size(picture, plane);
      cuda::Copy2D rows;
      rows.source_type = cuda::kDeviceMemory;
      rows.source_device = frame;
      rows.source_pitch = pitch;
      rows.target_type = cuda::kDeviceMemory;
      rows.target_device = reinterpret_cast<cuda::DevicePointer>(picture.planes[plane]);
      rows.target_pitch = static_cast<std::size_t>(picture.stride_bytes[plane]);
      rows.width_bytes = static_cast<std::size_t>(size.row_bytes);
      rows.height = static_cast<std::size_t>(size.rows);
      if (Code code = stream_.copy(rows, &failure_); code != Code::kOk) return code;
      frame += std::size_t{pitch} * static_cast<std::size_t>(size.rows);
    }
    return Code::kOk;
  }

  Gpu gpu_;
  Stream stream_;
  nvcuvid::Api api_{};
  nvcuvid::Lock* lock_ = nullptr;
  nvcuvid::Parser* parser_ = nullptr;
  nvcuvid::Decoder* decoder_ = nullptr;
  nvcuvid::Format format_{};
  Picture like_;   // what all pictures of the stream have in common
  Error failure_;  // of a function that the parser called
  PicturePool pool_;
  std::deque<Picture> ready_;
};

}  // namespace

Code open_video_decoder(const Driver& driver, int device, abi::Codec codec, abi::Decoder** decoder,
                        Error* error) noexcept {
  auto opened = std::make_unique<VideoDecoder>();
  const nvcuvid::Codec wanted = codec == abi::Codec::kH264 ? nvcuvid::kH264 : nvcuvid::kH265;
  if (Code code = opened->open(driver, device, wanted, error); code != Code::kOk) return code;
  *decoder = opened.release();
  return Code::kOk;
}

}  // namespace edgecore::tensorrt
