#include "engine.h"

#include <algorithm>
#include <cstring>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using abi::Place;
using module::fail;

/// A free dimension (-1) of the plan takes any size.
bool fits(const abi::Tensor& tensor, const Port& port) {
  const abi::TensorInfo& info = port.info;
  if (tensor.dtype != info.dtype || tensor.rank != info.rank || tensor.data == nullptr) return false;
  std::size_t size_bytes = port.element_bytes;
  for (std::int32_t i = 0; i < info.rank; ++i) {
    if (tensor.shape[i] < 0 || (info.shape[i] >= 0 && tensor.shape[i] != info.shape[i])) return false;
    if (__builtin_mul_overflow(size_bytes, static_cast<std::size_t>(tensor.shape[i]), &size_bytes)) return false;
  }
  return tensor.size_bytes == size_bytes;
}

void* pointer(cuda::DevicePointer address) { return reinterpret_cast<void*>(address); }

}  // namespace

Engine::~Engine() {
  if (gpu_.context() == nullptr) return;
  for (const Slot& slot : slots_) settle(slot);
  const Current current(gpu_);  // TensorRT frees device memory of its own
  plan_.unload();
}

Code Engine::load(const abi::EngineSpec& spec, const EngineOptions& options, Error* error) noexcept {
  ModelFile file;
  PlanFacts facts;
  if (Code code = file.read(spec.model_path, error); code != Code::kOk) return code;
  if (Code code = check_plan(file, facts, error); code != Code::kOk) return code;
  if (Code code = gpu_.open(library_.driver(), spec.device, error); code != Code::kOk) return code;
  if (Code code = check_fit(facts, library_.release(), gpu_.capability(), error); code != Code::kOk) return code;

  const Current current(gpu_, error);
  if (!current) return current.code();
  if (Code code = plan_.load(library_, file, facts, options, error); code != Code::kOk) return code;
  if (Code code = compute_.create(gpu_, error); code != Code::kOk) return code;
  slots_.resize(static_cast<std::size_t>(options.in_flight));
  for (Slot& slot : slots_) {
    if (Code code = open_slot(slot, error); code != Code::kOk) return code;
  }
  return Code::kOk;
}

Code Engine::open_slot(Slot& slot, Error* error) noexcept {
  slot.inputs.resize(plan_.inputs().size());
  slot.outputs.resize(plan_.outputs().size());
  slot.results.resize(plan_.outputs().size());
  if (Code code = slot.stream.create(gpu_, error); code != Code::kOk) return code;
  if (Code code = slot.is_uploaded.create(gpu_, error); code != Code::kOk) return code;
  return slot.is_computed.create(gpu_, error);
}

Engine::Slot* Engine::find(std::int32_t slot) noexcept {
  return slot >= 0 && slot < depth() ? &slots_[static_cast<std::size_t>(slot)] : nullptr;
}

Code Engine::run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                 Error* error) noexcept {
  if (out_count != output_count()) {
    return fail(error, Code::kInvalidArgument, "expected %zu outputs, found %zu", output_count(), out_count);
  }
  if (Code code = submit(0, in, in_count, error); code != Code::kOk) return code;
  return wait(0, out, out_count, error);
}

Code Engine::submit(std::int32_t slot, const abi::Tensor* in, std::size_t in_count, Error* error) noexcept {
  Slot* const chosen = find(slot);
  if (chosen == nullptr || chosen->is_open) {
    return fail(error, Code::kInvalidArgument, "slot %d: %s", slot, chosen == nullptr ? "there is none" : "a run is open in it");
  }
  if (in_count != input_count()) {
    return fail(error, Code::kInvalidArgument, "expected %zu inputs, found %zu", input_count(), in_count);
  }
  for (std::size_t i = 0; i < in_count; ++i) {
    if (!fits(in[i], plan_.inputs()[i])) {
      return fail(error, Code::kInvalidArgument, "input '%s': type, shape, size or data are not what the plan takes",
                  plan_.inputs()[i].info.name);
    }
  }
  const Current current(gpu_, error);
  if (!current) return current.code();
  const Code code = start(*chosen, in, error);
  chosen->is_open = code == Code::kOk;
  if (!chosen->is_open) settle(*chosen);
  return code;
}

/// Part of a run, or of a picture made ready for one, may be under way and uses what is about to be freed.
void Engine::settle(const Slot& slot) noexcept {
  if (compute_) compute_.synchronize(nullptr);
  if (slot.stream) slot.stream.synchronize(nullptr);
}

Code Engine::start(Slot& slot, const abi::Tensor* in, Error* error) noexcept {
  std::vector<void*> addresses;
  if (Code code = place_inputs(slot, in, addresses, error); code != Code::kOk) return code;
  if (Code code = place_outputs(slot, addresses, error); code != Code::kOk) return code;
  if (Code code = slot.is_uploaded.record(slot.stream, error); code != Code::kOk) return code;
  if (Code code = compute_.wait(slot.is_uploaded, error); code != Code::kOk) return code;
  if (Code code = plan_.enqueue(addresses, compute_, error); code != Code::kOk) return code;
  if (Code code = slot.is_computed.record(compute_, error); code != Code::kOk) return code;
  if (Code code = slot.stream.wait(slot.is_computed, error); code != Code::kOk) return code;
  return fetch_outputs(slot, error);
}

Code Engine::place_inputs(Slot& slot, const abi::Tensor* in, std::vector<void*>& addresses, Error* error) noexcept {
  for (std::size_t i = 0; i < plan_.inputs().size(); ++i) {
    const abi::Tensor& tensor = in[i];
    Memory& memory = slot.inputs[i];
    if (Code code = plan_.set_shape(plan_.inputs()[i], tensor.shape, error); code != Code::kOk) return code;
    if (tensor.place == Place::kDevice) {
      addresses.push_back(tensor.data);
    } else if (tensor.place != Place::kHost) {
      return fail(error, Code::kUnsupported, "input '%s': neither in host nor in device memory", plan_.inputs()[i].info.name);
    } else if (gpu_.shares_memory()) {
      if (Code code = memory.host.reserve(gpu_, tensor.size_bytes, error); code != Code::kOk) return code;
      std::memcpy(memory.host.data(), tensor.data, tensor.size_bytes);
      addresses.push_back(pointer(memory.host.device()));
    } else {
      if (Code code = memory.device.reserve(gpu_, tensor.size_bytes, error); code != Code::kOk) return code;
      const Code code = slot.stream.to_device(memory.device.get(), tensor.data, tensor.size_bytes, error);
      if (code != Code::kOk) return code;
      ++copies_.to_device;
      copies_.to_device_bytes += tensor.size_bytes;
      addresses.push_back(memory.device.data());
    }
  }
  return Code::kOk;
}

Code Engine::place_outputs(Slot& slot, std::vector<void*>& addresses, Error* error) noexcept {
  for (std::size_t i = 0; i < plan_.outputs().size(); ++i) {
    abi::Tensor& result = slot.results[i];
    Memory& memory = slot.outputs[i];
    if (Code code = plan_.shape_of(plan_.outputs()[i], result, error); code != Code::kOk) return code;
    const std::size_t room_bytes = std::max(result.size_bytes, std::size_t{1});  // of nothing, too, an address is wanted
    if (Code code = memory.host.reserve(gpu_, room_bytes, error); code != Code::kOk) return code;
    result.data = memory.host.data();
    if (gpu_.shares_memory()) {
      addresses.push_back(pointer(memory.host.device()));
      continue;
    }
    if (Code code = memory.device.reserve(gpu_, room_bytes, error); code != Code::kOk) return code;
    addresses.push_back(memory.device.data());
  }
  return Code::kOk;
}

Code Engine::fetch_outputs(Slot& slot, Error* error) noexcept {
  for (std::size_t i = 0; i < slot.outputs.size() && !gpu_.shares_memory(); ++i) {
    const abi::Tensor& result = slot.results[i];
    if (result.size_bytes == 0) continue;
    const Code code = slot.stream.to_host(result.data, slot.outputs[i].device.get(), result.size_bytes, error);
    if (code != Code::kOk) return code;
    ++copies_.to_host;
    copies_.to_host_bytes += result.size_bytes;
  }
  return Code::kOk;
}

Code Engine::wait(std::int32_t slot, abi::Tensor* out, std::size_t out_count, Error* error) noexcept {
  Slot* const chosen = find(slot);
  if (chosen == nullptr || !chosen->is_open) {
    return fail(error, Code::kInvalidArgument, "slot %d: no run is open in it", slot);
  }
  chosen->is_open = false;
  if (Code code = chosen->stream.synchronize(error); code != Code::kOk) {
    settle(*chosen);
    return code;
  }
  if (out_count != output_count()) {
    return fail(error, Code::kInvalidArgument, "expected %zu outputs, found %zu", output_count(), out_count);
  }
  std::copy(chosen->results.begin(), chosen->results.end(), out);
  return Code::kOk;
}

Code Engine::prepare(std::int32_t slot, const abi::Picture& picture, const abi::PictureInput& wish, abi::Tensor* input,
                     Error* error) noexcept {
  Slot* const chosen = find(slot);
  if (chosen == nullptr || chosen->is_open) return fail(error, Code::kInvalidArgument, "slot %d: not free", slot);
  abi::Tensor tensor;
  tensor.rank = 4;
  tensor.place = Place::kDevice;
  const std::int64_t planar[] = {1, 3, wish.height_px, wish.width_px};
  const std::int64_t packed[] = {1, wish.height_px, wish.width_px, 3};
  std::copy_n(wish.is_nhwc != 0 ? packed : planar, 4, tensor.shape);
  tensor.size_bytes = sizeof(float);
  for (const std::int64_t extent : planar) tensor.size_bytes *= static_cast<std::size_t>(std::max<std::int64_t>(extent, 0));
  tensor.data = chosen;  // any: the size is asked
  if (input_count() != 1 || tensor.size_bytes == 0 || !fits(tensor, plan_.inputs()[0])) {
    return fail(error, Code::kUnsupported, "the plan's one input would have to be float32 pictures of %dx%d",
                wish.width_px, wish.height_px);
  }
  if (!std::exchange(kernels_tried_, true)) kernels_code_ = kernels_.load(gpu_, &kernels_error_);
  if (kernels_code_ != Code::kOk) return fail(error, kernels_code_, "%s", kernels_error_.text);

  if (Code code = chosen->prepared.reserve(gpu_, tensor.size_bytes, error); code != Code::kOk) return code;
  abi::Picture source = picture;
  Code code = Code::kOk;
  if (picture.place == Place::kDmaBuf) code = bring(*chosen, picture, source, error);
  if (code == Code::kOk) {
    code = chosen->pictures.prepare(kernels_, source, wish, chosen->stream, chosen->prepared.get(), copies_, error);
  }
  if (code != Code::kOk) {
    settle(*chosen);
    return code;
  }
  tensor.data = chosen->prepared.data();
  *input = tensor;
  return Code::kOk;
}

Code Engine::bring(Slot& slot, const abi::Picture& picture, abi::Picture& device, Error* error) noexcept {
  const SurfaceView* view = nullptr;
  if (Code code = surfaces_.find(gpu_, picture, view, error); code != Code::kOk) return code;
  return slot.pictures.bring(gpu_, *view, picture, slot.stream, device, error);
}

}  // namespace edgecore::tensorrt
