#include "engine.h"

#include <algorithm>
#include <iterator>

namespace edgecore::amlogic {
namespace {

using abi::Code;
using module::fail;

/// float32, whatever is stored: the core makes its input tensors so and its heads read them so. Raw: as stored.
Code describe(const Port& port, const std::string& fallback_name, bool raw, abi::TensorInfo& info, abi::Error* error) {
  module::copy_text(info.name, port.name.empty() ? fallback_name.c_str() : port.name.c_str());
  info.rank = static_cast<std::int32_t>(port.shape.size());
  std::copy(port.shape.begin(), port.shape.end(), info.shape);
  if (!raw) return Code::kOk;
  if (!to_seam(port.element.type, info.dtype)) {
    return fail(error, Code::kUnsupported, "'%s' is stored as %s, which has no raw form here; leave out raw: true",
                info.name, name_of(port.element.type));
  }
  info.scale = port.element.scale;
  info.zero_point = port.element.zero_point;
  return Code::kOk;
}

std::size_t size_of(abi::DType dtype) {
  switch (dtype) {
    case abi::DType::kInt8:
    case abi::DType::kUInt8: return 1;
    case abi::DType::kFloat16: return 2;
    case abi::DType::kFloat32:
    case abi::DType::kInt32: return 4;
    case abi::DType::kInt64: return 8;
  }
  return 0;
}

std::size_t size_bytes_of(const abi::TensorInfo& info) {
  std::size_t size = size_of(info.dtype);
  for (std::int32_t i = 0; i < info.rank; ++i) size *= static_cast<std::size_t>(info.shape[i]);
  return size;
}

bool fits(const abi::Tensor& tensor, const abi::TensorInfo& info) {
  return tensor.data != nullptr && tensor.dtype == info.dtype && tensor.rank == info.rank &&
         std::equal(info.shape, info.shape + info.rank, tensor.shape) && tensor.size_bytes == size_bytes_of(info);
}

Code check_inputs(const abi::Tensor* in, std::size_t in_count, const std::vector<abi::TensorInfo>& infos,
                  abi::Error* error) {
  if (in_count != infos.size()) {
    return fail(error, Code::kInvalidArgument, "expected %zu inputs, found %zu", infos.size(), in_count);
  }
  for (std::size_t i = 0; i < in_count; ++i) {
    if (!fits(in[i], infos[i])) {
      return fail(error, Code::kInvalidArgument, "input '%s': type, shape, size or data are not what the model takes",
                  infos[i].name);
    }
    if (in[i].place != abi::Place::kHost) {
      return fail(error, Code::kUnsupported, "input '%s': only host memory is supported", infos[i].name);
    }
  }
  return Code::kOk;
}

}  // namespace

Code Engine::open(const EngineOptions& options, abi::Error* error) {
  if (Code code = announce(options.raw, error); code != Code::kOk) return code;
  const std::lock_guard<std::mutex> lock(runtime_.loading);
  Checker check(runtime_.api, error);
  if (!check.own(runtime_.api.vxCreateContext(), context_, "vxCreateContext")) return check.code();
  for (std::int32_t i = 0; i < options.slots; ++i) {
    Code code = slots_.emplace_back(runtime_, model_).open(context_.get(), options.raw, error);
    if (code != Code::kOk) return code;
  }
  return Code::kOk;
}

Code Engine::announce(bool raw, abi::Error* error) {
  for (const Port& port : model_.inputs) {
    const std::string name = "input" + std::to_string(inputs_.size());
    if (Code code = describe(port, name, raw, inputs_.emplace_back(), error); code != Code::kOk) return code;
  }
  for (const Port& port : model_.outputs) {
    const std::string name = "output" + std::to_string(outputs_.size());
    if (Code code = describe(port, name, raw, outputs_.emplace_back(), error); code != Code::kOk) return code;
  }
  return Code::kOk;
}

Code Engine::run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                 abi::Error* error) noexcept {
  if (out_count != outputs_.size()) {
    return fail(error, Code::kInvalidArgument, "expected %zu outputs, found %zu", outputs_.size(), out_count);
  }
  if (Code code = submit(0, in, in_count, error); code != Code::kOk) return code;
  return wait(0, out, out_count, error);
}

Code Engine::submit(std::int32_t slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) noexcept {
  if (!is_slot(slot)) return fail(error, Code::kInvalidArgument, "slot %d: there are %d", slot, depth());
  Slot& free_slot = slots_[static_cast<std::size_t>(slot)];
  if (free_slot.is_busy()) return fail(error, Code::kInvalidArgument, "slot %d: its run has not been waited for", slot);
  if (Code code = check_inputs(in, in_count, inputs_, error); code != Code::kOk) return code;
  return free_slot.start(in, copies_, error);
}

Code Engine::wait(std::int32_t slot, abi::Tensor* out, std::size_t out_count, abi::Error* error) noexcept {
  if (!is_slot(slot)) return fail(error, Code::kInvalidArgument, "slot %d: there are %d", slot, depth());
  Slot& busy_slot = slots_[static_cast<std::size_t>(slot)];
  if (!busy_slot.is_busy()) return fail(error, Code::kInvalidArgument, "slot %d: no run was submitted", slot);
  if (out_count != outputs_.size()) {
    busy_slot.abandon();
    return fail(error, Code::kInvalidArgument, "expected %zu outputs, found %zu", outputs_.size(), out_count);
  }
  for (std::size_t i = 0; i < out_count; ++i) {
    out[i] = {};
    out[i].dtype = outputs_[i].dtype;
    out[i].rank = outputs_[i].rank;
    std::copy(std::begin(outputs_[i].shape), std::end(outputs_[i].shape), out[i].shape);
  }
  return busy_slot.finish(out, copies_, error);
}

Code Engine::prepare(std::int32_t, const abi::Picture&, const abi::PictureInput&, abi::Tensor*,
                     abi::Error* error) noexcept {
  return fail(error, Code::kUnsupported, "pictures are prepared on the CPU");
}

void Engine::release() noexcept {
  Runtime& runtime = runtime_;
  const std::lock_guard<std::mutex> lock(runtime.loading);
  delete this;
}

}  // namespace edgecore::amlogic
