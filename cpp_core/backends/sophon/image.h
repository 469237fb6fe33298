// libbmcv, opened at run time, and an owner for its images.
#pragma once

#include <string>
#include <utility>

#include "abi/bmcv.h"
#include "edgecore/abi.h"

namespace edgecore::sophon {

struct ImageLibrary {
  bm::ImageApi api{};
  std::string path;
};

/// Opens $EDGECORE_BMCV if set, else libbmcv under the names it has had. kNotFound and kUnsupported name it and say
/// what then happens.
abi::Code open_image_library(ImageLibrary& library, abi::Error* error) noexcept;

/// A description of samples in device memory, and that memory itself where the library allocated it. Move-only.
class Image {
 public:
  Image() = default;
  Image(Image&& other) noexcept { swap(other); }
  Image& operator=(Image&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Image();

  /// Of `planes`, which stay the caller's.
  abi::Code create(const ImageLibrary& library, bm::Handle handle, const bm::Image& description, int* strides,
                   bm::DeviceMemory* planes, abi::Error* error) noexcept;

  /// What the library created.
  static Image adopt(const ImageLibrary& library, const bm::Image& raw) noexcept;

  bm::Image* raw() noexcept { return &raw_; }
  const bm::Image& raw() const noexcept { return raw_; }

 private:
  void swap(Image& other) noexcept {
    std::swap(library_, other.library_);
    std::swap(raw_, other.raw_);
  }

  const ImageLibrary* library_ = nullptr;
  bm::Image raw_{};
};

}  // namespace edgecore::sophon
