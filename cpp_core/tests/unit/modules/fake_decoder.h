// A decoder without a vendor. Its access units are "WIDTHxHEIGHT LEVEL": a gray picture all of that level.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "edgecore/module.h"

namespace fake {

/// Its pictures are "on the device": an address of this process, which only this module may use.
class FakeDecoder final : public edgecore::abi::Decoder {
 public:
  using Code = edgecore::abi::Code;
  using Picture = edgecore::abi::Picture;
  using Error = edgecore::abi::Error;

  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    unit_.assign(static_cast<const char*>(bytes), size_bytes);
    pts_us_ = pts_us;
    if (size_bytes > 0 && std::sscanf(unit_.c_str(), "%dx%d %d", &width_, &height_, &level_) != 3) {
      return edgecore::module::fail(error, Code::kCorrupt, "not a picture");
    }
    has_picture_ = size_bytes > 0;
    return Code::kOk;
  }

  Code pull(Picture* picture, std::int32_t* has_picture, Error*) noexcept override {
    *has_picture = has_picture_ ? 1 : 0;
    if (!has_picture_) return Code::kOk;
    has_picture_ = false;
    ++out_;
    const auto size = static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_);
    auto* const memory = new unsigned char[size];
    std::memset(memory, level_, size);
    picture->planes[0] = memory;
    picture->stride_bytes[0] = width_;
    picture->width_px = width_;
    picture->height_px = height_;
    picture->layout = unit_.back() == '!' ? static_cast<edgecore::abi::PixelLayout>(9) : edgecore::abi::PixelLayout::kGray;
    picture->range = edgecore::abi::ColorRange::kFull;
    picture->place = edgecore::abi::Place::kDevice;
    picture->pts_us = pts_us_;
    picture->token = memory;
    return Code::kOk;
  }

  void recycle(Picture* picture) noexcept override {
    delete[] static_cast<unsigned char*>(picture->token);
    --out_;
  }

  Code download(const Picture& picture, Picture* host, Error* error) noexcept override {
    if (level_ == 13) return edgecore::module::fail(error, Code::kSdk, "download refused");
    for (std::int32_t y = 0; y < picture.height_px; ++y) {
      std::memcpy(static_cast<unsigned char*>(host->planes[0]) + y * host->stride_bytes[0],
                  static_cast<const unsigned char*>(picture.planes[0]) + y * picture.stride_bytes[0],
                  static_cast<std::size_t>(picture.width_px));
    }
    return Code::kOk;
  }

  void release() noexcept override {
    if (out_ != 0) std::abort();  // the core has to recycle every picture before
    delete this;
  }

 private:
  std::string unit_;
  std::int64_t pts_us_ = 0;
  int width_ = 0, height_ = 0, level_ = 0;
  bool has_picture_ = false;
  int out_ = 0;
};

}  // namespace fake
