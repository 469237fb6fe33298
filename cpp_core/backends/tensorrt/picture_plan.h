// Pictures without a GPU: whether they can be prepared, how their planes lie, where samples go and which gains apply.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edgecore/abi.h"
#include "edgecore/module.h"
#include "kernels/picture_job.h"

namespace edgecore::tensorrt {

/// kUnsupported or kInvalidArgument for a picture that the kernels cannot read.
abi::Code check_picture(const abi::Picture& picture, abi::Error* error) noexcept;

/// kInvalidArgument unless the picture's rectangle lies inside the model's input.
abi::Code check_wish(const abi::PictureInput& wish, abi::Error* error) noexcept;

using module::halved;
using module::plane_count;
using module::plane_size;
using module::PlaneSize;

/// All that decides where samples lie.
struct Geometry {
  std::int32_t width_px = 0;
  std::int32_t height_px = 0;
  std::int32_t shift_x = 0;
  std::int32_t shift_y = 0;
  std::int32_t inner_width_px = 0;  // of the rectangle in the model's input
  std::int32_t inner_height_px = 0;
  bool between_x = false;  // chroma between two luma samples
  bool operator==(const Geometry& other) const noexcept;
};
Geometry geometry_of(const abi::Picture& picture, const abi::PictureInput& wish) noexcept;

/// Positions for PictureJob::columns and, behind them, PictureJob::rows; tap_count() of them.
std::size_t tap_count(const Geometry& geometry) noexcept;
void plan_taps(const Geometry& geometry, std::uint32_t* taps) noexcept;

/// Everything of a job but its pointers.
PictureJob plan_job(const abi::Picture& picture, const abi::PictureInput& wish) noexcept;

}  // namespace edgecore::tensorrt
