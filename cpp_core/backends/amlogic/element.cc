#include "element.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

namespace edgecore::amlogic {
namespace {

struct TypeFacts {
  vx::Type type;
  const char* name;
  std::size_t size_bytes;
};
constexpr TypeFacts kTypes[] = {
    {vx::kFloat32, "float32", 4}, {vx::kFloat16, "float16", 2}, {vx::kUInt8, "uint8", 1},
    {vx::kInt8, "int8", 1},       {vx::kInt16, "int16", 2},     {vx::kInt32, "int32", 4},
};

const TypeFacts& facts_of(vx::Type type) noexcept {
  return *std::find_if(std::begin(kTypes), std::end(kTypes),
                       [type](const TypeFacts& each) { return each.type == type; });
}

std::uint32_t bits_of(float value) noexcept {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// IEEE binary16, rounded to nearest even. Values beyond 65504 become infinite.
std::uint16_t to_half(float value) noexcept {
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t sign = (bits >> 16U) & 0x8000U;
  const float size = std::fabs(value);
  if (!(size < 65520.0F)) return static_cast<std::uint16_t>(sign | (std::isnan(value) ? 0x7E00U : 0x7C00U));
  if (size < 6.103515625e-05F) {  // 2^-14: below it a half counts in steps of 2^-24
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(size * 16777216.0F)));
  }
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  const std::uint32_t odd = (magnitude >> 13U) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - (112U << 23U) + 0xFFFU + odd) >> 13U));
}

float from_half(std::uint16_t half) noexcept {
  const std::uint32_t exponent = (half >> 10U) & 0x1FU;
  const std::uint32_t mantissa = half & 0x3FFU;
  float size = 0;
  if (exponent == 0x1FU) {
    size = mantissa == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    size = static_cast<float>(mantissa) / 16777216.0F;
  } else {
    size = std::ldexp(static_cast<float>(mantissa | 0x400U), static_cast<int>(exponent) - 25);
  }
  return (half & 0x8000U) != 0 ? -size : size;
}

template <typename Integer>
void quantize_as(const float* values, std::size_t count, const Element& element, void* stored) noexcept {
  constexpr double kLow = std::numeric_limits<Integer>::min();
  constexpr double kHigh = std::numeric_limits<Integer>::max();
  auto* out = static_cast<Integer*>(stored);
  for (std::size_t i = 0; i < count; ++i) {
    const double steps = std::nearbyint(values[i] / element.scale) + static_cast<double>(element.zero_point);
    out[i] = static_cast<Integer>(std::fmin(std::fmax(steps, kLow), kHigh));
  }
}

template <typename Integer>
void dequantize_as(const void* stored, std::size_t count, const Element& element, float* values) noexcept {
  const auto* in = static_cast<const Integer*>(stored);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<std::int64_t>(in[i]) - element.zero_point) * element.scale;
  }
}

}  // namespace

std::size_t size_of(vx::Type type) noexcept { return facts_of(type).size_bytes; }
const char* name_of(vx::Type type) noexcept { return facts_of(type).name; }

bool to_seam(vx::Type type, abi::DType& dtype) noexcept {
  switch (type) {
    case vx::kFloat32: dtype = abi::DType::kFloat32; return true;
    case vx::kFloat16: dtype = abi::DType::kFloat16; return true;
    case vx::kUInt8: dtype = abi::DType::kUInt8; return true;
    case vx::kInt8: dtype = abi::DType::kInt8; return true;
    case vx::kInt32: dtype = abi::DType::kInt32; return true;
    case vx::kInt16:
    case vx::kTensor: break;
  }
  return false;
}

void quantize(const float* values, std::size_t count, const Element& element, void* stored) noexcept {
  switch (element.type) {
    case vx::kFloat32: std::memcpy(stored, values, count * sizeof *values); return;
    case vx::kFloat16: std::transform(values, values + count, static_cast<std::uint16_t*>(stored), to_half); return;
    case vx::kUInt8: quantize_as<std::uint8_t>(values, count, element, stored); return;
    case vx::kInt8: quantize_as<std::int8_t>(values, count, element, stored); return;
    case vx::kInt16: quantize_as<std::int16_t>(values, count, element, stored); return;
    case vx::kInt32: quantize_as<std::int32_t>(values, count, element, stored); return;
    case vx::kTensor: return;  // no element type
  }
}

void dequantize(const void* stored, std::size_t count, const Element& element, float* values) noexcept {
  switch (element.type) {
    case vx::kFloat32: std::memcpy(values, stored, count * sizeof *values); return;
    case vx::kFloat16: {
      const auto* in = static_cast<const std::uint16_t*>(stored);
      std::transform(in, in + count, values, from_half);
      return;
    }
    case vx::kUInt8: dequantize_as<std::uint8_t>(stored, count, element, values); return;
    case vx::kInt8: dequantize_as<std::int8_t>(stored, count, element, values); return;
    case vx::kInt16: dequantize_as<std::int16_t>(stored, count, element, values); return;
    case vx::kInt32: dequantize_as<std::int32_t>(stored, count, element, values); return;
    case vx::kTensor: return;
  }
}

}  // namespace edgecore::amlogic
