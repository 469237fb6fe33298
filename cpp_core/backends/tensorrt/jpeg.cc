#include "jpeg.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <iterator>
#include <memory>

#include "abi/nvjpeg.h"
#include "device_picture.h"
#include "edgecore/module.h"
#include "jpeg_header.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using abi::PixelLayout;
using module::fail;

constexpr int kNewestCuda = 13;
constexpr int kOldestCuda = 11;
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;  // as the core's own reader: no camera makes more

const char* name_of(nvjpeg::Status status) noexcept {
  switch (status) {
    case nvjpeg::kSuccess: return "NVJPEG_STATUS_SUCCESS";
    case nvjpeg::kNotInitialized: return "NVJPEG_STATUS_NOT_INITIALIZED";
    case nvjpeg::kInvalidParameter: return "NVJPEG_STATUS_INVALID_PARAMETER";
    case nvjpeg::kBadJpeg: return "NVJPEG_STATUS_BAD_JPEG";
    case nvjpeg::kJpegNotSupported: return "NVJPEG_STATUS_JPEG_NOT_SUPPORTED";
    case nvjpeg::kAllocatorFailure: return "NVJPEG_STATUS_ALLOCATOR_FAILURE";
    case nvjpeg::kExecutionFailed: return "NVJPEG_STATUS_EXECUTION_FAILED";
    case nvjpeg::kArchMismatch: return "NVJPEG_STATUS_ARCH_MISMATCH";
    case nvjpeg::kInternalError: return "NVJPEG_STATUS_INTERNAL_ERROR";
    case nvjpeg::kImplementationNotSupported: return "NVJPEG_STATUS_IMPLEMENTATION_NOT_SUPPORTED";
    case nvjpeg::kIncompleteBitstream: return "NVJPEG_STATUS_INCOMPLETE_BITSTREAM";
  }
  return "an unknown status";
}

Code check(nvjpeg::Status status, const char* call, Error* error) noexcept {
  switch (status) {
    case nvjpeg::kSuccess: return Code::kOk;
    case nvjpeg::kBadJpeg:
    case nvjpeg::kIncompleteBitstream:
      return fail(error, Code::kCorrupt, "damaged JPEG: %s: %s", call, name_of(status));
    case nvjpeg::kJpegNotSupported:
      return fail(error, Code::kUnsupported, "JPEG of a kind that the library does not know: %s: %s", call,
                  name_of(status));
    default: return fail(error, Code::kSdk, "%s: %s (%d)", call, name_of(status), status);
  }
}

/// The library of the driver's CUDA or of an older one, which the driver serves as well.
Code open_library(const Driver& driver, nvjpeg::Api& api, Error* error) noexcept {
  const int newest = std::min(driver.version() / 1000, kNewestCuda);
  void* library = nullptr;
  char soname[32] = {};
  for (int cuda = newest; cuda >= kOldestCuda && library == nullptr; --cuda) {
    std::snprintf(soname, sizeof soname, "libnvjpeg.so.%d", cuda);
    library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    const char* reason = newest < kOldestCuda ? "the driver is too old for any" : dlerror();
    return fail(error, Code::kNotFound,
                "nvJPEG cannot be opened (libnvjpeg.so.%d down to .%d): %s; install CUDA's nvJPEG, or leave JPEG to "
                "the CPU",
                newest, kOldestCuda, reason);
  }
  void* found[std::size(nvjpeg::kSymbols)];
  for (std::size_t i = 0; i < std::size(found); ++i) {
    found[i] = dlsym(library, nvjpeg::kSymbols[i]);
    if (found[i] == nullptr) return fail(error, Code::kUnsupported, "%s: exports no %s", soname, nvjpeg::kSymbols[i]);
  }
  std::memcpy(&api, found, sizeof found);
  return Code::kOk;
}

bool set_layout(nvjpeg::Subsampling subsampling, Picture& picture) noexcept {
  picture.layout = subsampling == nvjpeg::kGray ? PixelLayout::kGray : PixelLayout::kPlanar;
  picture.chroma_shift_x = subsampling == nvjpeg::k422 || subsampling == nvjpeg::k420 ? 1 : 0;
  picture.chroma_shift_y = subsampling == nvjpeg::k440 || subsampling == nvjpeg::k420 ? 1 : 0;
  switch (subsampling) {
    case nvjpeg::k444:
    case nvjpeg::k422:
    case nvjpeg::k420:
    case nvjpeg::k440:
    case nvjpeg::kGray: return true;
  }
  return false;
}

class JpegDecoder final : public abi::Decoder {
 public:
  ~JpegDecoder() {
    if (handle_ == nullptr) return;
    const Current current(gpu_);
    if (state_ != nullptr) api_.nvjpegJpegStateDestroy(state_);
    api_.nvjpegDestroy(handle_);
  }

  Code open(const Driver& driver, int device, Error* error) noexcept {
    if (Code code = open_library(driver, api_, error); code != Code::kOk) return code;
    if (Code code = gpu_.open(driver, device, error); code != Code::kOk) return code;
    if (Code code = stream_.create(gpu_, error); code != Code::kOk) return code;
    const Current current(gpu_, error);
    if (!current) return current.code();
    // No allocators of ours: the library then calls cudaMalloc in the context that is current.
    const nvjpeg::Status created = api_.nvjpegCreateEx(nvjpeg::kDefault, nullptr, nullptr, 0, &handle_);
    if (Code code = check(created, "nvjpegCreateEx", error); code != Code::kOk) return code;
    return check(api_.nvjpegJpegStateCreate(handle_, &state_), "nvjpegJpegStateCreate", error);
  }

  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    if (size_bytes == 0) return Code::kOk;  // nothing is ever held back
    Picture picture;
    picture.pts_us = pts_us;
    const auto* data = static_cast<const unsigned char*>(bytes);
    if (Code code = describe(data, size_bytes, picture, error); code != Code::kOk) return code;
    if (Code code = pool_.take(gpu_, picture, error); code != Code::kOk) return code;
    if (Code code = decode(data, size_bytes, picture, error); code != Code::kOk) {
      pool_.give_back(picture);
      return code;
    }
    ready_.push_back(picture);
    return Code::kOk;
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
  Code describe(const unsigned char* data, std::size_t size, Picture& picture, Error* error) noexcept {
    switch (jpeg_color(data, size)) {
      case JpegColor::kNoJpeg: return fail(error, Code::kCorrupt, "damaged JPEG: there is no frame header in it");
      case JpegColor::kOther: return fail(error, Code::kUnsupported, "JPEG with RGB or CMYK samples is not supported");
      case JpegColor::kYcbcrOrGray: break;
    }
    const Current current(gpu_, error);
    if (!current) return current.code();
    int components = 0;
    nvjpeg::Subsampling subsampling = nvjpeg::kGray;
    int widths[nvjpeg::kMaxComponents] = {};
    int heights[nvjpeg::kMaxComponents] = {};
    const nvjpeg::Status told =
        api_.nvjpegGetImageInfo(handle_, data, size, &components, &subsampling, widths, heights);
    if (Code code = check(told, "nvjpegGetImageInfo", error); code != Code::kOk) return code;
    if (!set_layout(subsampling, picture)) {
      return fail(error, Code::kUnsupported, "JPEG with this chroma subsampling (%d) is not supported", subsampling);
    }
    if (widths[0] <= 0 || heights[0] <= 0 || std::int64_t{widths[0]} * heights[0] > kMaxPixels) {
      return fail(error, Code::kUnsupported, "JPEG of %dx%d pixels is not supported", widths[0], heights[0]);
    }
    picture.width_px = widths[0];
    picture.height_px = heights[0];
    picture.matrix = abi::ColorMatrix::kBt601;  // JFIF 1.02 fixes all three
    picture.range = abi::ColorRange::kFull;
    picture.siting = abi::ChromaSiting::kCenter;
    return Code::kOk;
  }

  Code decode(const unsigned char* data, std::size_t size, const Picture& picture, Error* error) noexcept {
    nvjpeg::Image image{};
    for (int plane = 0; plane < plane_count(picture); ++plane) {
      image.channel[plane] = static_cast<unsigned char*>(picture.planes[plane]);
      image.pitch[plane] = static_cast<std::size_t>(picture.stride_bytes[plane]);
    }
    const auto format = picture.layout == PixelLayout::kGray ? nvjpeg::kY : nvjpeg::kYuv;
    const Current current(gpu_, error);
    if (!current) return current.code();
    const nvjpeg::Status decoded = api_.nvjpegDecode(handle_, state_, data, size, format, &image, stream_.get());
    if (Code code = check(decoded, "nvjpegDecode", error); code != Code::kOk) return code;
    return stream_.synchronize(error);  // the caller's bytes may go, and the picture is whole
  }

  Gpu gpu_;
  Stream stream_;
  nvjpeg::Api api_{};
  nvjpeg::Handle* handle_ = nullptr;
  nvjpeg::State* state_ = nullptr;
  PicturePool pool_;
  std::deque<Picture> ready_;
};

}  // namespace

Code open_jpeg_decoder(const Driver& driver, int device, abi::Decoder** decoder, Error* error) noexcept {
  auto opened = std::make_unique<JpegDecoder>();
  if (Code code = opened->open(driver, device, error); code != Code::kOk) return code;
  *decoder = opened.release();
  return Code::kOk;
}

}  // namespace edgecore::tensorrt
