#include "edgecore/tensor.h"

#include <cstdlib>
#include <limits>

namespace edgecore {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector registers in use
constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 8;  // 8 bytes: the widest DType

}  // namespace

std::size_t size_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::kInt8:
    case DType::kUInt8: return 1;
    case DType::kFloat16: return 2;
    case DType::kFloat32:
    case DType::kInt32: return 4;
    case DType::kInt64: return 8;
  }
  return 0;
}

const char* to_string(DType dtype) noexcept {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kFloat16: return "float16";
    case DType::kInt8: return "int8";
    case DType::kUInt8: return "uint8";
    case DType::kInt32: return "int32";
    case DType::kInt64: return "int64";
  }
  return "unknown type";
}

std::string to_string(const Shape& shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (const std::int64_t dimension : shape) {
    if (!text.empty()) text += 'x';
    text += dimension < 0 ? "?" : std::to_string(dimension);
  }
  return text;
}

std::int64_t element_count(const Shape& shape) noexcept {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(count, dimension, &count)) return -1;
  }
  return count <= kMaxElements ? count : -1;
}

TensorBuffer::TensorBuffer(DType dtype, Shape shape) : shape_(std::move(shape)), dtype_(dtype) {
  assert(element_count(shape_) >= 0);
  size_bytes_ = static_cast<std::size_t>(element_count(shape_)) * size_of(dtype_);
  // C11 asks for a multiple of the alignment; one more block keeps an empty tensor's pointer non-null.
  data_.reset(std::aligned_alloc(kAlignment, (size_bytes_ / kAlignment + 1) * kAlignment));
}

void TensorBuffer::Free::operator()(void* memory) const noexcept { std::free(memory); }

}  // namespace edgecore
