// Decoders without a vendor, whose pictures are gray, all of one level. FakeDecoder's units are "WIDTHxHEIGHT LEVEL",
// and "few" behind it where no more than eight pictures may be held at a time. FakeVideo's are H.264 access units that
// hold the text "fake:SIDE LEVEL WORDS;" and are not decoded further.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

#include "edgecore/module.h"
#include "fake_engines.h"

namespace fake {

/// Its pictures are "on the device": an address of this process, which only this module may use.
class GrayDecoder : public edgecore::abi::Decoder {
 public:
  using Picture = edgecore::abi::Picture;
  using Error = edgecore::abi::Error;

  Code pull(Picture* picture, std::int32_t* has_picture, Error* error) noexcept override {
    *has_picture = made_.size() > held_ ? 1 : 0;
    if (*has_picture == 0) return Code::kOk;
    // Drivers wait here for some seconds, in which none comes back: the decoder takes one call at a time.
    if (has_few_ && out_ >= kFew) return edgecore::module::fail(error, Code::kSdk, "all %d pictures are held", kFew);
    const auto next = std::min_element(made_.begin(), made_.end(), [](const Made& a, const Made& b) { return a.pts_us < b.pts_us; });
    const Made made = *next;
    made_.erase(next);
    ++out_;
    const auto size = static_cast<std::size_t>(made.width) * static_cast<std::size_t>(made.height);
    auto* const memory = new unsigned char[size];
    std::memset(memory, made.level, size);
    picture->planes[0] = memory;
    picture->stride_bytes[0] = made.width;
    picture->width_px = made.width;
    picture->height_px = made.height;
    picture->layout = made.is_flawed ? static_cast<edgecore::abi::PixelLayout>(9) : edgecore::abi::PixelLayout::kGray;
    picture->range = edgecore::abi::ColorRange::kFull;
    picture->place = edgecore::abi::Place::kDevice;
    picture->pts_us = made.pts_us;
    picture->token = memory;
    return Code::kOk;
  }

  void recycle(Picture* picture) noexcept override {
    delete[] static_cast<unsigned char*>(picture->token);
    --out_;
  }

  Code download(const Picture& picture, Picture* host, Error* error) noexcept override {
    const auto* const samples = static_cast<const unsigned char*>(picture.planes[0]);
    if (*samples == 13) return edgecore::module::fail(error, Code::kSdk, "download refused");
    for (std::int32_t y = 0; y < picture.height_px; ++y) {
      std::memcpy(static_cast<unsigned char*>(host->planes[0]) + y * host->stride_bytes[0],
                  samples + y * picture.stride_bytes[0], static_cast<std::size_t>(picture.width_px));
    }
    return Code::kOk;
  }

 protected:
  struct Made {
    int width, height, level;
    std::int64_t pts_us;
    bool is_flawed;
  };
  ~GrayDecoder() {
    if (out_ != 0) std::abort();  // the core has to recycle every picture before
  }

  std::deque<Made> made_;
  std::size_t held_ = 0;  // pictures that wait for one with an earlier time
  bool has_few_ = false;  // pictures for all who hold them

 private:
  static constexpr int kFew = 8;
  int out_ = 0;
};

class FakeDecoder final : public GrayDecoder {
 public:
  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    if (size_bytes == 0) return Code::kOk;
    const std::string unit(static_cast<const char*>(bytes), size_bytes);
    Made made{0, 0, 0, pts_us, unit.back() == '!'};
    if (std::sscanf(unit.c_str(), "%dx%d %d", &made.width, &made.height, &made.level) != 3) {
      return edgecore::module::fail(error, Code::kCorrupt, "not a picture");
    }
    if (has_word(unit, "few")) has_few_ = true;
    made_.push_back(made);
    return Code::kOk;
  }
  void release() noexcept override { delete this; }
};

/// Words: "hold": from here on pictures come one unit later, and in the order of their times. "none", "two": as many
/// pictures of this unit. "damaged", "breaks", "refuses": how this push fails.
class FakeVideo final : public GrayDecoder {
 public:
  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    if (size_bytes == 0) {
      held_ = 0;
      return Code::kOk;
    }
    const std::string unit(static_cast<const char*>(bytes), size_bytes);
    const std::string start("\0\0\1", 3);  // a zero before it belongs to it
    const bool has_sets = unit.find(start + '\x67') != std::string::npos;
    if (unit.find(start) > 1) return edgecore::module::fail(error, Code::kCorrupt, "no byte stream");
    if (!std::exchange(has_begun_, true) && !has_sets) {
      return edgecore::module::fail(error, Code::kCorrupt, "no parameter sets before the first picture");
    }
    const std::size_t at = unit.find("fake:");
    if (at == std::string::npos) return Code::kOk;
    const std::string text = unit.substr(at + 5, unit.find(';', at) - at - 5);
    Made made{0, 0, 0, pts_us, false};
    if (std::sscanf(text.c_str(), "%d %d", &made.width, &made.level) != 2) std::abort();
    made.height = made.width;
    if (has_word(text, "damaged")) return edgecore::module::fail(error, Code::kCorrupt, "slice 3 is damaged");
    if (has_word(text, "breaks")) return edgecore::module::fail(error, Code::kSdk, "the engine is gone");
    if (has_word(text, "refuses")) return edgecore::module::fail(error, Code::kUnsupported, "only 8 bits a sample");
    if (has_word(text, "hold")) held_ = 1;
    for (int count = has_word(text, "none") ? 0 : has_word(text, "two") ? 2 : 1; count > 0; --count) made_.push_back(made);
    return Code::kOk;
  }
  void release() noexcept override { delete this; }

 private:
  bool has_begun_ = false;
};

}  // namespace fake
