#include "engine.h"

#include <algorithm>
#include <cstdlib>

namespace edgecore::sophon {
namespace {

using abi::Code;
using abi::DType;
using module::fail;

struct TypePair {
  bm::DataType theirs;
  DType ours;
};
constexpr TypePair kTypes[] = {
    {bm::kFloat32, DType::kFloat32}, {bm::kFloat16, DType::kFloat16}, {bm::kInt8, DType::kInt8},
    {bm::kUInt8, DType::kUInt8},     {bm::kInt32, DType::kInt32},
};

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32: return 4;
    case DType::kFloat16: return 2;
    case DType::kInt8:
    case DType::kUInt8: return 1;
    case DType::kInt64: return 8;
  }
  return 0;
}

bool fits(const abi::Tensor& tensor, const abi::TensorInfo& info, std::size_t size_bytes) {
  return tensor.dtype == info.dtype && tensor.rank == info.rank && tensor.data != nullptr &&
         tensor.size_bytes == size_bytes && std::equal(info.shape, info.shape + info.rank, tensor.shape);
}

/// All of it but where its bytes are.
abi::Tensor tensor_of(const abi::TensorInfo& info) {
  abi::Tensor tensor;
  tensor.rank = info.rank;
  tensor.dtype = info.dtype;
  std::copy(info.shape, info.shape + info.rank, tensor.shape);
  tensor.size_bytes = size_of(info.dtype);
  for (std::int32_t axis = 0; axis < info.rank; ++axis) tensor.size_bytes *= static_cast<std::size_t>(info.shape[axis]);
  return tensor;
}

bool is_prepared_in(const Buffer& buffer, const abi::Tensor& tensor) {
  return tensor.place == abi::Place::kDevice && tensor.data == reinterpret_cast<void*>(buffer.memory().address);
}

/// What the API says of one input or output.
struct Announced {
  const char* name;
  bm::DataType dtype;
  const bm::Shape* shape;
};

Code describe_port(const Announced& announced, abi::TensorInfo& info, std::size_t& size_bytes, abi::Error* error) {
  const auto* pair = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const TypePair& each) { return each.theirs == announced.dtype; });
  if (pair == std::end(kTypes)) {
    return fail(error, Code::kUnsupported, "'%s': tensors of the runtime's type %d are not supported", announced.name,
                announced.dtype);
  }
  if (announced.shape->rank < 0 || announced.shape->rank > bm::kMaxRank) {
    return fail(error, Code::kSdk, "bmrt_get_network_info: '%s' has %d dimensions", announced.name,
                announced.shape->rank);
  }
  module::copy_text(info.name, announced.name);
  info.dtype = pair->ours;
  info.rank = announced.shape->rank;
  size_bytes = size_of(pair->ours);
  for (std::int32_t i = 0; i < info.rank; ++i) {
    info.shape[i] = announced.shape->dims[i];
    if (info.shape[i] < 1)
      return fail(error, Code::kSdk, "bmrt_get_network_info: '%s' has a dimension of %d", announced.name,
                  announced.shape->dims[i]);
    size_bytes *= static_cast<std::size_t>(info.shape[i]);
  }
  return Code::kOk;
}

}  // namespace

Engine::~Engine() {
  finish_launched(nullptr);
  for (Slot& slot : slots_) {
    slot.inputs.clear();
    slot.outputs.clear();
  }
  if (runtime_ != nullptr) libraries_.rt.bmrt_destroy(runtime_);
}

Code Engine::load(const abi::EngineSpec& spec, const EngineOptions& options, abi::Error* error) noexcept {
  std::string bytes;
  ModelFacts model;
  if (Code code = read_file(spec.model_path, bytes, error); code != Code::kOk) return code;
  if (Code code = check_model(bytes, model, error); code != Code::kOk) return code;
  const NetworkFacts* network = nullptr;
  if (Code code = choose_network(model, options, network, error); code != Code::kOk) return code;
  if (Code code = device_.open(libraries_, spec.device, error); code != Code::kOk) return code;
  if (Code code = check_chip(model.chip, device_.chip_id(), error); code != Code::kOk) return code;
  if (Code code = choose_cores(network->core_count, options, error); code != Code::kOk) return code;
  if (Code code = load_runtime(bytes, error); code != Code::kOk) return code;

  const bm::NetworkInfo* info = libraries_.rt.bmrt_get_network_info(runtime_, network_.c_str());
  if (info == nullptr) return fail(error, Code::kSdk, "bmrt_get_network_info: knows no '%s'", network_.c_str());
  if (Code code = describe(*info, error); code != Code::kOk) return code;
  for (Slot& slot : slots_) {
    if (Code code = allocate(slot, error); code != Code::kOk) return code;
  }
  return choose_pictures(options, error);
}

/// Who asks for VPP by name is told at once where there is none; else those pictures then come by the CPU.
Code Engine::choose_pictures(const EngineOptions& options, abi::Error* error) {
  pictures_ = options.pictures;
  if (pictures_ == Pictures::kNone || open_image_library(images_, &no_images_) == Code::kOk) return Code::kOk;
  if (pictures_ == Pictures::kOnDevice) return Code::kOk;
  return fail(error, no_images_.code, "option pictures: %s", no_images_.text);
}

Code Engine::load_runtime(const std::string& bytes, abi::Error* error) {
  runtime_ = libraries_.rt.bmrt_create(device_.handle());
  if (runtime_ == nullptr) return fail(error, Code::kSdk, "bmrt_create: failed; the runtime's own log says why");
  if (libraries_.rt.bmrt_load_bmodel_data(runtime_, bytes.data(), bytes.size())) return Code::kOk;
  return fail(error, Code::kSdk, "bmrt_load_bmodel_data: refused the model; the runtime's own log says why");
}

Code Engine::choose_network(const ModelFacts& model, const EngineOptions& options, const NetworkFacts*& network,
                            abi::Error* error) {
  std::string names;
  for (const NetworkFacts& each : model.networks) {
    if (each.name == options.network || (options.network.empty() && model.networks.size() == 1)) {
      network = &each;
      network_ = each.name;
      return Code::kOk;
    }
    names += (names.empty() ? "" : ", ") + each.name;
  }
  if (options.network.empty()) {
    return fail(error, Code::kInvalidArgument, "has several networks: choose one of them with the option network: %s",
                names.c_str());
  }
  return fail(error, Code::kInvalidArgument, "option network: no network named '%s'; known: %s",
              options.network.c_str(), names.c_str());
}

Code Engine::choose_cores(std::size_t needed, const EngineOptions& options, abi::Error* error) {
  const bool has_cores = device_.chip_id() == bm::kChipBm1688 &&
                         libraries_.rt.bmrt_launch_tensor_multi_cores != nullptr &&
                         libraries_.lib.bm_handle_sync_from_core != nullptr;
  if (!has_cores) {
    if (options.cores.empty()) return Code::kOk;
    return fail(error, Code::kUnsupported, "option cores: this chip or its runtime has one core");
  }
  cores_ = options.cores;
  for (std::size_t i = 0; options.cores.empty() && i < needed; ++i) cores_.push_back(static_cast<int>(i));
  if (cores_.size() == needed) return Code::kOk;
  return fail(error, Code::kInvalidArgument, "option cores: the model was compiled for %zu, found %zu", needed,
              cores_.size());
}

Code Engine::describe(const bm::NetworkInfo& info, abi::Error* error) {
  const bm::StageInfo& stage = info.stages[0];  // of several, the first: one engine has one set of shapes
  for (int i = 0; i < info.input_count; ++i) {
    Port& port = inputs_.emplace_back();
    port.dtype = info.input_dtypes[i];
    port.shape = stage.input_shapes[i];
    // An input's scale is the other way round: stored = real * scale.
    if (info.input_scales[i] > 0) port.info.scale = 1.0F / info.input_scales[i];
    port.info.zero_point = info.input_zero_points[i];
    const Announced announced{info.input_names[i], port.dtype, &port.shape};
    if (Code code = describe_port(announced, port.info, port.size_bytes, error); code != Code::kOk) return code;
  }
  for (int i = 0; i < info.output_count; ++i) {
    Port& port = outputs_.emplace_back();
    port.dtype = info.output_dtypes[i];
    port.shape = stage.output_shapes[i];
    port.info.scale = info.output_scales[i];
    port.info.zero_point = info.output_zero_points[i];
    const Announced announced{info.output_names[i], port.dtype, &port.shape};
    if (Code code = describe_port(announced, port.info, port.size_bytes, error); code != Code::kOk) return code;
    port.size_bytes = std::max(port.size_bytes, info.max_output_bytes[i]);  // room for what the runtime may write
  }
  return Code::kOk;
}

Code Engine::allocate(Slot& slot, abi::Error* error) {
  slot.inputs = std::vector<Buffer>(inputs_.size());
  slot.outputs = std::vector<Buffer>(outputs_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (Code code = slot.inputs[i].allocate(libraries_, device_, inputs_[i].size_bytes, error); code != Code::kOk)
      return code;
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (Code code = slot.outputs[i].allocate(libraries_, device_, outputs_[i].size_bytes, error); code != Code::kOk)
      return code;
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

Code Engine::check_slot(std::int32_t slot, bool is_open, abi::Error* error) const {
  if (slot < 0 || slot >= kDepth) {
    return fail(error, Code::kInvalidArgument, "slot %d: there are %d, counted from 0", slot, kDepth);
  }
  if (slots_[static_cast<std::size_t>(slot)].is_open == is_open) return Code::kOk;
  return fail(error, Code::kInvalidArgument, is_open ? "slot %d: no run is open" : "slot %d: its run is still open",
              slot);
}

Code Engine::check_inputs(const Slot& slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) const {
  if (in_count != inputs_.size()) {
    return fail(error, Code::kInvalidArgument, "expected %zu inputs, found %zu", inputs_.size(), in_count);
  }
  for (std::size_t i = 0; i < in_count; ++i) {
    if (!fits(in[i], inputs_[i].info, inputs_[i].size_bytes)) {
      return fail(error, Code::kInvalidArgument, "input '%s': type, shape, size or data are not what the model takes",
                  inputs_[i].info.name);
    }
    if (in[i].place == abi::Place::kHost || (slot.is_prepared && is_prepared_in(slot.inputs[i], in[i]))) continue;
    return fail(error, Code::kUnsupported, "input '%s': only host memory and what prepare() made are supported",
                inputs_[i].info.name);
  }
  return Code::kOk;
}

Code Engine::submit(std::int32_t slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) noexcept {
  if (Code code = check_slot(slot, false, error); code != Code::kOk) return code;
  Slot& chosen = slots_[static_cast<std::size_t>(slot)];
  if (Code code = check_inputs(chosen, in, in_count, error); code != Code::kOk) return code;
  chosen.is_prepared = false;
  for (std::size_t i = 0; i < in_count; ++i) {
    if (in[i].place == abi::Place::kDevice) continue;
    if (Code code = chosen.inputs[i].upload(in[i].data, in[i].size_bytes, copies_, error); code != Code::kOk)
      return code;
  }
  return launch(chosen, error);
}

Code Engine::launch(Slot& slot, abi::Error* error) {
  std::vector<bm::Tensor> in(inputs_.size());
  std::vector<bm::Tensor> out(outputs_.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = {inputs_[i].dtype, inputs_[i].shape, slot.inputs[i].memory(), 0};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = {outputs_[i].dtype, outputs_[i].shape, slot.outputs[i].memory(), 0};
  const auto in_count = static_cast<int>(in.size());
  const auto out_count = static_cast<int>(out.size());
  const bm::RuntimeApi& rt = libraries_.rt;
  const bool launched = cores_.empty() ? rt.bmrt_launch_tensor_ex(runtime_, network_.c_str(), in.data(), in_count,
                                                                  out.data(), out_count, true, false)
                                       : rt.bmrt_launch_tensor_multi_cores(
                                             runtime_, network_.c_str(), in.data(), in_count, out.data(), out_count,
                                             true, false, cores_.data(), static_cast<int>(cores_.size()));
  if (!launched) return fail(error, Code::kSdk, "bmrt_launch_tensor: refused; the runtime's own log says why");
  slot.is_open = true;
  slot.is_launched = true;
  return Code::kOk;
}

/// The queue of the handle, not of the calling thread: submit() and wait() may come from two. Of a failure each run's
/// own wait() tells: what was launched stays so.
Code Engine::finish_launched(abi::Error* error) {
  const bm::Api& lib = libraries_.lib;
  Code code = Code::kOk;
  if (std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.is_launched; })) {
    if (cores_.empty()) code = check(lib.bm_handle_sync(device_.handle()), "bm_handle_sync", error);
    for (const int core : cores_) {
      if (code != Code::kOk) break;
      code = check(lib.bm_handle_sync_from_core(device_.handle(), core), "bm_handle_sync_from_core", error);
    }
  }
  if (code != Code::kOk) return code;
  for (Slot& slot : slots_) slot.is_launched = false;
  return Code::kOk;
}

Code Engine::wait(std::int32_t slot, abi::Tensor* out, std::size_t out_count, abi::Error* error) noexcept {
  if (Code code = check_slot(slot, true, error); code != Code::kOk) return code;
  Slot& chosen = slots_[static_cast<std::size_t>(slot)];
  chosen.is_open = false;
  if (chosen.is_launched) {
    const Code code = finish_launched(error);
    chosen.is_launched = false;
    if (code != Code::kOk) return code;
  }
  if (out_count != outputs_.size()) {
    return fail(error, Code::kInvalidArgument, "expected %zu outputs, found %zu", outputs_.size(), out_count);
  }
  for (std::size_t i = 0; i < out_count; ++i) {
    abi::Tensor tensor = tensor_of(outputs_[i].info);
    if (Code code = chosen.outputs[i].download(tensor.size_bytes, copies_, error); code != Code::kOk) return code;
    tensor.data = chosen.outputs[i].host();
    out[i] = tensor;
  }
  return Code::kOk;
}

Code Engine::check_wish(const abi::Picture& picture, const abi::PictureInput& wish, abi::Error* error) const {
  if (pictures_ == Pictures::kNone) return fail(error, Code::kUnsupported, "option pictures: the CPU makes them ready");
  if (no_images_.code != Code::kOk) return fail(error, Code::kUnsupported, "%s", no_images_.text);
  if (pictures_ == Pictures::kOnDevice && picture.place == abi::Place::kHost) {
    return fail(error, Code::kUnsupported, "the CPU makes pictures ready that are in its memory, with the numbers of "
                                           "every other box; the option pictures: vpp gives them to VPP");
  }
  const abi::TensorInfo& info = inputs_.front().info;
  const bool is_picture = inputs_.size() == 1 && info.dtype == DType::kFloat32 && info.rank == 4 &&
                          info.shape[0] == 1 && info.shape[1] == 3 && info.shape[2] == wish.height_px &&
                          info.shape[3] == wish.width_px;
  if (is_picture) return Code::kOk;
  return fail(error, Code::kUnsupported, "a picture of %dx%d goes into models with one input [1, 3, %d, %d] of float32",
              wish.width_px, wish.height_px, wish.height_px, wish.width_px);
}

Code Engine::prepare(std::int32_t slot, const abi::Picture& picture, const abi::PictureInput& wish, abi::Tensor* input,
                     abi::Error* error) noexcept {
  if (Code code = check_slot(slot, false, error); code != Code::kOk) return code;
  if (Code code = check_wish(picture, wish, error); code != Code::kOk) return code;
  Slot& chosen = slots_[static_cast<std::size_t>(slot)];
  chosen.is_prepared = false;
  const bm::DeviceMemory& memory = chosen.inputs.front().memory();
  if (Code code = chosen.feed.prepare(images_, libraries_, device_, picture, wish, memory, copies_, error);
      code != Code::kOk) {
    return code;
  }
  chosen.is_prepared = true;
  *input = tensor_of(inputs_.front().info);
  input->place = abi::Place::kDevice;
  input->data = reinterpret_cast<void*>(memory.address);
  return Code::kOk;
}

}  // namespace edgecore::sophon
