// The core's enumerations by the words that Python uses for them.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "edgecore/frame.h"

namespace edgecore::python {

template <typename Enum, std::size_t count>
using Names = std::array<std::pair<const char*, Enum>, count>;

inline constexpr Names<PixelLayout, 3> kLayouts{
    {{"planar", PixelLayout::kPlanar}, {"semi_planar", PixelLayout::kSemiPlanar}, {"gray", PixelLayout::kGray}}};
inline constexpr Names<ColorMatrix, 2> kMatrices{{{"bt601", ColorMatrix::kBt601}, {"bt709", ColorMatrix::kBt709}}};
inline constexpr Names<ColorRange, 2> kRanges{{{"limited", ColorRange::kLimited}, {"full", ColorRange::kFull}}};
inline constexpr Names<ChromaSiting, 2> kSitings{{{"left", ChromaSiting::kLeft}, {"center", ChromaSiting::kCenter}}};

template <typename Enum, std::size_t count>
std::string name_of(const Names<Enum, count>& names, Enum value) {
  for (const auto& [name, each] : names) {
    if (each == value) return name;
  }
  return {};
}

/// ValueError, with the names there are, for any other one.
template <typename Enum, std::size_t count>
Enum value_of(const Names<Enum, count>& names, const std::string& wanted, const char* argument) {
  std::string known;
  for (const auto& [name, each] : names) {
    if (name == wanted) return each;
    known += (known.empty() ? "'" : " or '") + std::string(name) + "'";
  }
  throw pybind11::value_error(std::string(argument) + ": expected " + known + ", found '" + wanted + "'");
}

}  // namespace edgecore::python
