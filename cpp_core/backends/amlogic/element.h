// How the numbers of a port are stored on the NPU, and their way to float32 and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/openvx.h"
#include "edgecore/abi.h"

namespace edgecore::amlogic {

/// real = (stored - zero_point) * scale for the integer types.
struct Element {
  vx::Type type = vx::kFloat32;
  vx::QuantFormat quant = vx::kQuantNone;
  std::int8_t position = 0;  // kQuantFixedPoint: scale is 2^-position
  float scale = 1.0F;
  std::int32_t zero_point = 0;
};

std::size_t size_of(vx::Type type) noexcept;
const char* name_of(vx::Type type) noexcept;  // "uint8"

/// False where the seam has no such type (int16).
bool to_seam(vx::Type type, abi::DType& dtype) noexcept;

/// Rounds to nearest, ties to even, and saturates, as ONNX's QuantizeLinear does; not-a-number becomes the lowest
/// value.
void quantize(const float* values, std::size_t count, const Element& element, void* stored) noexcept;
void dequantize(const void* stored, std::size_t count, const Element& element, float* values) noexcept;

}  // namespace edgecore::amlogic
