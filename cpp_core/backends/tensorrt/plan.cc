#include "plan.h"

#include <algorithm>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::DType;
using abi::Error;
using module::fail;

struct TypePair {
  nvinfer::DataType theirs;
  DType ours;
  std::size_t size_bytes;
};
constexpr TypePair kTypes[] = {
    {nvinfer::kFloat, DType::kFloat32, 4}, {nvinfer::kHalf, DType::kFloat16, 2}, {nvinfer::kInt8, DType::kInt8, 1},
    {nvinfer::kUInt8, DType::kUInt8, 1},   {nvinfer::kInt32, DType::kInt32, 4},  {nvinfer::kInt64, DType::kInt64, 8},
};

nvinfer::Stream* stream_of(const Stream& stream) { return reinterpret_cast<nvinfer::Stream*>(stream.get()); }

template <typename T>
const auto& functions_of(const std::unique_ptr<T, Destroy>& handle) {
  return *handle->implementation->functions;
}

}  // namespace

Code Plan::load(Library& library, const ModelFile& file, const PlanFacts& facts, const EngineOptions& options,
                Error* error) noexcept {
  library_ = &library;
  if (Code code = library.create_runtime(runtime_, error); code != Code::kOk) return code;
  if (Code code = deserialize(file, facts, options, error); code != Code::kOk) return code;
  if (Code code = list_tensors(error); code != Code::kOk) return code;
#if EDGECORE_TRT_MAJOR == 8
  context_.reset(functions_of(engine_).createExecutionContext(engine_->implementation));
#else
  context_.reset(functions_of(engine_).createExecutionContext(engine_->implementation, nvinfer::kStatic));
#endif
  return context_ != nullptr ? Code::kOk : library.failed("createExecutionContext", error);
}

void Plan::unload() noexcept {
  context_.reset();
  engine_.reset();
  runtime_.reset();
}

Code Plan::deserialize(const ModelFile& file, const PlanFacts& facts, const EngineOptions& options,
                       Error* error) noexcept {
  const nvinfer::RuntimeFunctions& functions = functions_of(runtime_);
  nvinfer::RuntimeSelf* self = runtime_->implementation;
  if (options.dla_core >= 0) {
    const std::int32_t cores = functions.getNbDLACores(self);
    if (options.dla_core >= cores) {
      return fail(error, Code::kInvalidArgument, "option dla_core: %d, the device has %d (0 is the first)",
                  options.dla_core, cores);
    }
    functions.setDLACore(self, options.dla_core);
  }
  if (options.allow_host_code && library_->version() >= nvinfer::kHostCode) {
    functions.setEngineHostCodeAllowed(self, true);
  }
#if EDGECORE_TRT_MAJOR == 8
  engine_.reset(functions.deserializeCudaEngine(self, file.data(), file.size_bytes(), nullptr));
#else
  engine_.reset(functions.deserializeCudaEngine(self, file.data(), file.size_bytes()));
#endif
  if (engine_ != nullptr) return Code::kOk;
  const bool is_others = facts.made_by[0] != 0 && facts.release() != library_->release();
  const std::string call = "deserializeCudaEngine (a plan made by " + describe(facts) + ", read by " +
                           library_->title() + ")";
  return library_->failed(call.c_str(), error, is_others ? Code::kUnsupported : Code::kCorrupt);
}

Code Plan::list_tensors(Error* error) noexcept {
  const nvinfer::EngineFunctions& functions = functions_of(engine_);
  const nvinfer::EngineSelf* self = engine_->implementation;
  Code code = Code::kOk;
  if (library_->names_tensors()) {
    const std::int32_t count = functions.getNbIOTensors(self);
    for (std::int32_t i = 0; code == Code::kOk && i < count; ++i) code = describe_named(i, error);
  }
#if EDGECORE_TRT_MAJOR == 8
  if (!library_->names_tensors()) {
    if (functions.hasImplicitBatchDimension(self)) {
      return fail(error, Code::kUnsupported, "the plan has an implicit batch dimension; build it from ONNX, which has not");
    }
    const std::int32_t all = functions.getNbBindings(self);
    // Every profile has bindings of its own, those of the first one come first.
    const std::int32_t count = all / std::max(1, functions.getNbOptimizationProfiles(self));
    bindings_.assign(static_cast<std::size_t>(std::max(0, all)), nullptr);
    for (std::int32_t i = 0; code == Code::kOk && i < count; ++i) code = describe_bound(i, error);
  }
#endif
  if (code == Code::kOk && (inputs_.empty() || outputs_.empty())) {
    return library_->failed("the plan names no inputs or no outputs", error);
  }
  return code;
}

Code Plan::describe_named(std::int32_t index, Error* error) noexcept {
  const nvinfer::EngineFunctions& functions = functions_of(engine_);
  const nvinfer::EngineSelf* self = engine_->implementation;
  const char* name = functions.getIOTensorName(self, index);
  if (name == nullptr) return library_->failed("getIOTensorName", error);
  const nvinfer::TensorIoMode mode = functions.getTensorIOMode(self, name);
  if (mode == nvinfer::kNone) return library_->failed("getTensorIOMode", error);
  return add({name, functions.getTensorShape(self, name), functions.getTensorDataType(self, name),
              functions.getTensorLocation(self, name), functions.getTensorFormat(self, name), mode == nvinfer::kInput, 0},
             error);
}

#if EDGECORE_TRT_MAJOR == 8
Code Plan::describe_bound(std::int32_t binding, Error* error) noexcept {
  const nvinfer::EngineFunctions& functions = functions_of(engine_);
  const nvinfer::EngineSelf* self = engine_->implementation;
  const char* name = functions.getBindingName(self, binding);
  if (name == nullptr) return library_->failed("getBindingName", error);
  return add({name, functions.getBindingDimensions(self, binding), functions.getBindingDataType(self, binding),
              functions.getLocation(self, binding), functions.getBindingFormat(self, binding),
              functions.bindingIsInput(self, binding), binding},
             error);
}
#endif

Code Plan::add(const Described& tensor, Error* error) noexcept {
  const auto refuse = [&](const char* problem) {
    return fail(error, Code::kUnsupported, "tensor '%s' of the plan %s", tensor.name, problem);
  };
  const auto* pair = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const TypePair& each) { return each.theirs == tensor.type; });
  if (tensor.dims.rank < 0 || tensor.dims.rank > nvinfer::kMaxRank) return library_->failed("getTensorShape", error);
  if (pair == std::end(kTypes)) return refuse("has a type that pipelines do not have; convert with --inputIOFormats/--outputIOFormats=fp32:chw");
  if (tensor.location != nvinfer::kDevice) return refuse("is a shape that the host gives; only data in memory is supported");
  if (tensor.format != nvinfer::kLinear) return refuse("is not laid out densely; convert with --inputIOFormats/--outputIOFormats=fp32:chw");

  Port port;
  port.name = tensor.name;
  port.binding = tensor.binding;
  port.element_bytes = pair->size_bytes;
  module::copy_text(port.info.name, tensor.name);
  port.info.rank = tensor.dims.rank;
  port.info.dtype = pair->ours;
  std::copy_n(tensor.dims.extents, tensor.dims.rank, port.info.shape);
  port.is_free = std::any_of(port.info.shape, port.info.shape + port.info.rank, [](std::int64_t size) { return size < 0; });
  (tensor.is_input ? inputs_ : outputs_).push_back(std::move(port));
  return Code::kOk;
}

Code Plan::set_shape(const Port& input, const std::int64_t* shape, Error* error) noexcept {
  if (!input.is_free) return Code::kOk;
  nvinfer::Dims dims{};
  dims.rank = input.info.rank;
  for (std::int32_t i = 0; i < dims.rank; ++i) dims.extents[i] = static_cast<nvinfer::Extent>(shape[i]);
  const nvinfer::ContextFunctions& functions = functions_of(context_);
  nvinfer::ContextSelf* self = context_->implementation;
  // An extent outside the profile of the plan is the caller's, and TensorRT says which it takes.
#if EDGECORE_TRT_MAJOR == 8
  if (!library_->names_tensors()) {
    const bool is_set = functions.setBindingDimensions(self, input.binding, dims);
    return is_set ? Code::kOk : library_->failed("setBindingDimensions", error, Code::kInvalidArgument);
  }
#endif
  const bool is_set = functions.setInputShape(self, input.name.c_str(), dims);
  return is_set ? Code::kOk : library_->failed("setInputShape", error, Code::kInvalidArgument);
}

Code Plan::shape_of(const Port& output, abi::Tensor& tensor, Error* error) const noexcept {
  const nvinfer::ContextFunctions& functions = functions_of(context_);
  const nvinfer::ContextSelf* self = context_->implementation;
#if EDGECORE_TRT_MAJOR == 8
  const nvinfer::Dims dims = library_->names_tensors() ? functions.getTensorShape(self, output.name.c_str())
                                                       : functions.getBindingDimensions(self, output.binding);
#else
  const nvinfer::Dims dims = functions.getTensorShape(self, output.name.c_str());
#endif
  if (dims.rank != output.info.rank) return library_->failed("getTensorShape", error);
  tensor = {};
  tensor.rank = dims.rank;
  tensor.dtype = output.info.dtype;
  tensor.size_bytes = output.element_bytes;
  for (std::int32_t i = 0; i < dims.rank; ++i) {
    if (dims.extents[i] < 0) {
      return fail(error, Code::kUnsupported, "output '%s': its shape depends on the data, which is not supported",
                  output.name.c_str());
    }
    tensor.shape[i] = dims.extents[i];
    tensor.size_bytes *= static_cast<std::size_t>(dims.extents[i]);
  }
  return Code::kOk;
}

Code Plan::enqueue(const std::vector<void*>& addresses, const Stream& stream, Error* error) noexcept {
  const nvinfer::ContextFunctions& functions = functions_of(context_);
  nvinfer::ContextSelf* self = context_->implementation;
  const auto port = [&](std::size_t i) -> const Port& {
    return i < inputs_.size() ? inputs_[i] : outputs_[i - inputs_.size()];
  };
#if EDGECORE_TRT_MAJOR == 8
  if (!library_->names_tensors()) {
    for (std::size_t i = 0; i < addresses.size(); ++i) bindings_[static_cast<std::size_t>(port(i).binding)] = addresses[i];
    const bool is_enqueued = functions.enqueueV2(self, bindings_.data(), stream_of(stream), nullptr);
    return is_enqueued ? Code::kOk : library_->failed("enqueueV2", error);
  }
#endif
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (!functions.setTensorAddress(self, port(i).name.c_str(), addresses[i])) {
      return library_->failed("setTensorAddress", error);
    }
  }
  return functions.enqueueV3(self, stream_of(stream)) ? Code::kOk : library_->failed("enqueueV3", error);
}

}  // namespace edgecore::tensorrt
