// What an engine decides by whether it can prepare a picture.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

#include "edgecore/frame.h"

namespace edgecore {

using PictureKind = std::tuple<abi::Place, PixelLayout, std::uint8_t, std::uint8_t, ColorMatrix, ColorRange,
                               ChromaSiting, std::int32_t, std::int32_t>;

inline PictureKind kind_of(const Frame& frame) noexcept {
  return {frame.place, frame.layout, frame.chroma_shift_x, frame.chroma_shift_y, frame.matrix,
          frame.range, frame.siting, frame.width_px,       frame.height_px};
}

/// A few kinds: a stream has one, a folder of pictures many. The oldest is forgotten, which costs a question.
class PictureKinds {
 public:
  bool has(const PictureKind& kind) const { return std::find(kinds_.begin(), kinds_.end(), kind) != kinds_.end(); }

  void add(const PictureKind& kind) {
    constexpr std::size_t kMost = 16;
    if (kinds_.size() == kMost) kinds_.erase(kinds_.begin());
    kinds_.push_back(kind);
  }

 private:
  std::vector<PictureKind> kinds_;
};

}  // namespace edgecore
