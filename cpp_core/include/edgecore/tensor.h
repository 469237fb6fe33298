// Dense row-major tensors on the host: a view that owns nothing and a buffer that owns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "edgecore/abi.h"
#include "edgecore/status.h"

namespace edgecore {

using DType = abi::DType;
using Place = abi::Place;
using Shape = std::vector<std::int64_t>;

std::size_t size_of(DType dtype) noexcept;
const char* to_string(DType dtype) noexcept;
std::string to_string(const Shape& shape);  // "1x3x224x320", free dimensions as "?"
std::int64_t element_count(const Shape& shape) noexcept;  // -1 if a dimension is free or the bytes are beyond counting

/// Non-owning. Valid as long as whatever it was taken from.
struct TensorView {
  const void* data = nullptr;
  DType dtype = DType::kFloat32;
  Shape shape;
  Place place = Place::kHost;

  const float* floats() const noexcept { return static_cast<const float*>(data); }
  std::size_t size_bytes() const noexcept {  // 0 where nothing can be counted
    const std::int64_t count = element_count(shape);
    return count < 0 ? 0 : static_cast<std::size_t>(count) * size_of(dtype);
  }
};

/// Owning, 64-byte aligned, host memory, not initialised.
class TensorBuffer {
 public:
  TensorBuffer() = default;
  TensorBuffer(DType dtype, Shape shape);

  void* data() noexcept { return data_.get(); }
  const void* data() const noexcept { return data_.get(); }
  float* floats() noexcept { return static_cast<float*>(data()); }
  const Shape& shape() const noexcept { return shape_; }
  DType dtype() const noexcept { return dtype_; }
  std::size_t size_bytes() const noexcept { return size_bytes_; }
  TensorView view() const { return {data_.get(), dtype_, shape_, Place::kHost}; }

 private:
  struct Free {
    void operator()(void* memory) const noexcept;
  };
  std::unique_ptr<void, Free> data_;
  Shape shape_;
  DType dtype_ = DType::kFloat32;
  std::size_t size_bytes_ = 0;
};

/// Input or output of a model, decoded from abi::TensorInfo.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;  // -1: free
  float scale = 1.0F;
  std::int32_t zero_point = 0;
};

}  // namespace edgecore
