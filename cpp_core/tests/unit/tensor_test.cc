#include "edgecore/tensor.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

namespace edgecore {
namespace {

TEST_CASE("a shape reads as sizes joined by x, free ones as ?") {
  CHECK(to_string(Shape{1, 3, 224, 320}) == "1x3x224x320");
  CHECK(to_string(Shape{-1, 3}) == "?x3");
  CHECK(to_string(Shape{}) == "scalar");
}

TEST_CASE("elements are counted, unless a size is free or the product has no room") {
  CHECK(element_count({1, 3, 4}) == 12);
  CHECK(element_count({}) == 1);
  CHECK(element_count({5, 0}) == 0);
  CHECK(element_count({-1, 3}) == -1);
  CHECK(element_count({std::numeric_limits<std::int64_t>::max(), 2}) == -1);
  CHECK(element_count({1, 8, std::int64_t{1} << 59}) == -1);  // countable, but not in bytes
  CHECK(TensorView{nullptr, DType::kFloat32, {1, 8, std::int64_t{1} << 59}, Place::kHost}.size_bytes() == 0);
}

TEST_CASE("element types know their size and name") {
  const struct {
    DType dtype;
    std::size_t size_bytes;
    const char* name;
  } rows[] = {{DType::kFloat32, 4, "float32"}, {DType::kFloat16, 2, "float16"}, {DType::kInt8, 1, "int8"},
              {DType::kUInt8, 1, "uint8"},     {DType::kInt32, 4, "int32"},     {DType::kInt64, 8, "int64"}};
  for (const auto& row : rows) {
    CHECK(size_of(row.dtype) == row.size_bytes);
    CHECK(std::string(to_string(row.dtype)) == row.name);
  }
}

TEST_CASE("a buffer is aligned, sized by its shape, and seen through its view") {
  TensorBuffer buffer(DType::kInt32, {2, 3});
  REQUIRE(buffer.data() != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
  CHECK(buffer.size_bytes() == 24);
  CHECK(buffer.view().data == buffer.data());
  CHECK(buffer.view().shape == Shape{2, 3});
  CHECK(buffer.view().size_bytes() == 24);
}

TEST_CASE("an empty tensor has a buffer too") {
  TensorBuffer buffer(DType::kFloat32, {0, 4});
  CHECK(buffer.size_bytes() == 0);
  CHECK(buffer.data() != nullptr);
}

}  // namespace
}  // namespace edgecore
