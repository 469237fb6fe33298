#include "tensor_check.h"

#include <algorithm>
#include <cstddef>

#include "edgecore/backend.h"
#include "module_text.h"

namespace edgecore {
namespace {

bool is_rank(std::int32_t rank) { return rank >= 0 && static_cast<std::size_t>(rank) <= abi::kMaxRank; }

std::string describe(DType dtype, const Shape& shape) { return std::string(to_string(dtype)) + " " + to_string(shape); }

}  // namespace

Result<TensorInfo> decode(const abi::TensorInfo* raw, const std::string& port) {
  const auto refuse = [&](Code code, const std::string& problem) { return Error{code, port + ": " + problem, {}}; };
  if (raw == nullptr) return refuse(Code::kInternal, "the backend does not describe it");
  if (!is_rank(raw->rank)) {
    return refuse(Code::kInternal, "the backend gives it " + std::to_string(raw->rank) + " dimensions, expected 0 to " +
                                       std::to_string(abi::kMaxRank));
  }
  if (size_of(raw->dtype) == 0) return refuse(Code::kInternal, "the backend gives it an unknown type");
  TensorInfo info{bounded(raw->name, sizeof raw->name), raw->dtype, Shape(raw->shape, raw->shape + raw->rank),
                  raw->scale, raw->zero_point};
  const bool is_free = std::any_of(info.shape.begin(), info.shape.end(), [](std::int64_t size) { return size < 0; });
  const TensorView whole{nullptr, info.dtype, info.shape, Place::kHost};
  if (!is_free && (element_count(info.shape) < 0 || whole.size_bytes() > kMaxTensorBytes)) {
    return refuse(Code::kUnsupported, "'" + info.name + "' is " + describe(info.dtype, info.shape) +
                                          ", at most 256 MiB are supported");
  }
  return info;
}

Result<TensorView> decode(const abi::Tensor& raw, const std::string& port) {
  const bool rank_ok = is_rank(raw.rank);
  TensorView view{raw.data, raw.dtype, Shape(raw.shape, raw.shape + (rank_ok ? raw.rank : 0)), raw.place};
  const std::int64_t count = element_count(view.shape);
  const bool is_whole = view.size_bytes() == raw.size_bytes && (raw.data != nullptr || count == 0);
  if (!rank_ok || count < 0 || size_of(raw.dtype) == 0 || !is_whole) {
    return Error{Code::kInternal, port + ": the backend's shape and size do not agree", {}};
  }
  if (raw.size_bytes > kMaxTensorBytes) {
    return Error{Code::kUnsupported, port + ": is " + to_string(view.shape) + ", at most 256 MiB are supported", {}};
  }
  if (raw.place != Place::kHost && raw.place != Place::kDevice) {
    return Error{Code::kInternal, port + ": the backend puts it in a place that is neither host nor device memory", {}};
  }
  return view;
}

abi::Tensor encode(const TensorView& view) {
  abi::Tensor raw;
  raw.data = const_cast<void*>(view.data);  // the seam's one struct serves inputs and outputs
  raw.size_bytes = view.size_bytes();
  raw.rank = static_cast<std::int32_t>(view.shape.size());
  std::copy(view.shape.begin(), view.shape.end(), raw.shape);
  raw.dtype = view.dtype;
  raw.place = view.place;
  return raw;
}

bool fits(const Shape& shape, const Shape& expected) {
  const auto same = [](std::int64_t dimension, std::int64_t wanted) { return wanted < 0 || dimension == wanted; };
  return std::equal(shape.begin(), shape.end(), expected.begin(), expected.end(), same);
}

Status check_input(const TensorView& view, const TensorInfo& info) {
  const auto refuse = [&](const std::string& problem) {
    return Error{Code::kInvalidArgument, "input '" + info.name + "': " + problem, {}};
  };
  if (view.dtype != info.dtype || !fits(view.shape, info.shape) || element_count(view.shape) < 0) {
    return refuse("expected " + describe(info.dtype, info.shape) + ", found " + describe(view.dtype, view.shape));
  }
  if (view.data == nullptr) return refuse("has no data");
  return {};
}

}  // namespace edgecore
