#include "engine.h"

#include <cstring>

#include "edgecore/module.h"

namespace edgecore::cpu {
namespace {

using abi::Code;
using abi::DType;
using module::fail;

struct TypePair {
  ort::ElementType theirs;
  DType ours;
  std::size_t size_bytes;
};
constexpr TypePair kTypes[] = {
    {ort::kFloat, DType::kFloat32, 4}, {ort::kFloat16, DType::kFloat16, 2}, {ort::kInt8, DType::kInt8, 1},
    {ort::kUInt8, DType::kUInt8, 1},   {ort::kInt32, DType::kInt32, 4},     {ort::kInt64, DType::kInt64, 8},
};

const TypePair* find_type(ort::ElementType theirs) {
  for (const TypePair& pair : kTypes) {
    if (pair.theirs == theirs) return &pair;
  }
  return nullptr;
}

const TypePair* find_type(DType ours) {
  for (const TypePair& pair : kTypes) {
    if (pair.ours == ours) return &pair;
  }
  return nullptr;
}

/// Type and shape of a tensor, from a model's declaration or from a value. `size_bytes` is 0 for free shapes.
struct TensorFacts {
  DType dtype = DType::kFloat32;
  std::int64_t shape[abi::kMaxRank] = {};
  std::int32_t rank = 0;
  std::size_t size_bytes = 0;
};

Code read_facts(const Runtime& runtime, const ort::TensorShape* source, TensorFacts& facts, abi::Error* error) {
  const ort::Api& api = *runtime.api;
  Checker check(runtime, error);
  ort::ElementType type{};
  std::size_t rank = 0;
  if (!check(api.GetTensorElementType(source, &type), "GetTensorElementType")) return check.code();
  if (!check(api.GetDimensionsCount(source, &rank), "GetDimensionsCount")) return check.code();

  const TypePair* pair = find_type(type);
  if (pair == nullptr) return fail(error, Code::kUnsupported, "element type %d of ONNX is not supported", type);
  if (rank > abi::kMaxRank) {
    return fail(error, Code::kUnsupported, "%zu dimensions, at most %zu are supported", rank, abi::kMaxRank);
  }
  if (!check(api.GetDimensions(source, facts.shape, rank), "GetDimensions")) return check.code();

  facts.dtype = pair->ours;
  facts.rank = static_cast<std::int32_t>(rank);
  facts.size_bytes = pair->size_bytes;
  for (std::size_t i = 0; i < rank; ++i) {
    facts.size_bytes *= facts.shape[i] > 0 ? static_cast<std::size_t>(facts.shape[i]) : 0;
  }
  return Code::kOk;
}

/// A free dimension (-1) of the model takes any size.
bool fits(const abi::Tensor& tensor, const abi::TensorInfo& info) {
  if (tensor.dtype != info.dtype || tensor.rank != info.rank || tensor.data == nullptr) return false;
  for (std::int32_t i = 0; i < info.rank; ++i) {
    if (tensor.shape[i] < 0 || (info.shape[i] >= 0 && tensor.shape[i] != info.shape[i])) return false;
  }
  return true;
}

}  // namespace

Code Engine::load(const char* model_path, int threads, const EngineOptions& options, abi::Error* error) noexcept {
  if (Code code = create_session(model_path, threads, options, error); code != Code::kOk) return code;
  const ort::Api& api = *runtime_.api;
  Checker check(runtime_, error);
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  if (!check(api.SessionGetInputCount(session_.get(), &inputs), "SessionGetInputCount")) return check.code();
  if (!check(api.SessionGetOutputCount(session_.get(), &outputs), "SessionGetOutputCount")) return check.code();

  Code code = Code::kOk;
  for (std::size_t i = 0; code == Code::kOk && i < inputs; ++i) {
    code = describe(i, api.SessionGetInputName, api.SessionGetInputTypeInfo, inputs_.emplace_back(), error);
  }
  for (std::size_t i = 0; code == Code::kOk && i < outputs; ++i) {
    code = describe(i, api.SessionGetOutputName, api.SessionGetOutputTypeInfo, outputs_.emplace_back(), error);
  }
  return code;
}

Code Engine::create_session(const char* model_path, int threads, const EngineOptions& options, abi::Error* error) {
  const ort::Api& api = *runtime_.api;
  Checker check(runtime_, error);
  ort::MemoryInfo* memory = nullptr;
  if (!check(api.CreateCpuMemoryInfo(ort::kArenaAllocator, ort::kDefaultMemory, &memory), "CreateCpuMemoryInfo")) {
    return check.code();
  }
  host_memory_ = runtime_.own(memory);

  ort::SessionOptions* raw = nullptr;
  if (!check(api.CreateSessionOptions(&raw), "CreateSessionOptions")) return check.code();
  const Handle<ort::SessionOptions> session_options = runtime_.own(raw);
  const bool configured =
      check(api.SetSessionLogSeverityLevel(raw, ort::kLogError), "SetSessionLogSeverityLevel") &&
      check(api.SetSessionExecutionMode(raw, ort::kSequential), "SetSessionExecutionMode") &&
      check(api.SetIntraOpNumThreads(raw, threads), "SetIntraOpNumThreads") &&
      check(api.SetSessionGraphOptimizationLevel(raw, options.graph_optimization), "SetSessionGraphOptimizationLevel") &&
      check(api.SetDeterministicCompute(raw, options.deterministic), "SetDeterministicCompute");
  if (!configured) return check.code();

  ort::Session* session = nullptr;
  check(api.CreateSession(runtime_.env, model_path, raw, &session), "CreateSession");
  session_ = runtime_.own(session);
  // Its other arguments are ours: what it calls invalid (an empty file, say) is the model.
  return check.code() == Code::kInvalidArgument ? Code::kCorrupt : check.code();
}

Code Engine::describe(std::size_t index, NameOf name_of, TypeOf type_of, Port& port, abi::Error* error) const {
  const ort::Api& api = *runtime_.api;
  Checker check(runtime_, error);
  ort::Allocator* allocator = nullptr;
  char* name = nullptr;
  if (!check(api.GetAllocatorWithDefaultOptions(&allocator), "GetAllocatorWithDefaultOptions")) return check.code();
  if (!check(name_of(session_.get(), index, allocator, &name), "SessionGetName")) return check.code();
  port.name = name;
  if (!check(api.AllocatorFree(allocator, name), "AllocatorFree")) return check.code();

  ort::TypeInfo* raw = nullptr;
  if (!check(type_of(session_.get(), index, &raw), "SessionGetTypeInfo")) return check.code();
  const Handle<ort::TypeInfo> type = runtime_.own(raw);
  const ort::TensorShape* shape = nullptr;  // belongs to `type`; null for sequences and maps
  if (!check(api.CastTypeInfoToTensorInfo(raw, &shape), "CastTypeInfoToTensorInfo")) return check.code();
  if (shape == nullptr) return fail(error, Code::kUnsupported, "'%s' is not a tensor", port.name.c_str());

  TensorFacts facts;
  if (Code code = read_facts(runtime_, shape, facts, error); code != Code::kOk) return code;
  module::copy_text(port.info.name, port.name.c_str());
  std::memcpy(port.info.shape, facts.shape, sizeof port.info.shape);
  port.info.rank = facts.rank;
  port.info.dtype = facts.dtype;
  return Code::kOk;
}

Code Engine::run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                 abi::Error* error) noexcept {
  if (in_count != inputs_.size() || out_count != outputs_.size()) {
    return fail(error, Code::kInvalidArgument, "expected %zu inputs and %zu outputs, found %zu and %zu", inputs_.size(),
                outputs_.size(), in_count, out_count);
  }
  std::vector<Handle<ort::Value>> wrapped;
  if (Code code = wrap_inputs(in, wrapped, error); code != Code::kOk) return code;

  std::vector<const char*> input_names;
  std::vector<const char*> output_names;
  std::vector<const ort::Value*> values;
  std::vector<ort::Value*> results(out_count, nullptr);  // null: the runtime allocates
  for (const Port& port : inputs_) input_names.push_back(port.name.c_str());
  for (const Port& port : outputs_) output_names.push_back(port.name.c_str());
  for (const auto& value : wrapped) values.push_back(value.get());

  results_.clear();
  Checker check(runtime_, error);
  check(runtime_.api->Run(session_.get(), nullptr, input_names.data(), values.data(), in_count, output_names.data(),
                          out_count, results.data()),
        "Run");
  for (ort::Value* result : results) results_.push_back(runtime_.own(result));
  if (check.code() != Code::kOk) return check.code();
  for (std::size_t i = 0; i < out_count; ++i) {
    if (Code code = export_output(results[i], out[i], error); code != Code::kOk) return code;
  }
  return Code::kOk;
}

Code Engine::wrap_inputs(const abi::Tensor* in, std::vector<Handle<ort::Value>>& values, abi::Error* error) const {
  Checker check(runtime_, error);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const abi::Tensor& tensor = in[i];
    if (!fits(tensor, inputs_[i].info)) {
      return fail(error, Code::kInvalidArgument, "input '%s': type, shape or data are not what the model takes",
                  inputs_[i].info.name);
    }
    const TypePair* type = find_type(tensor.dtype);
    if (tensor.place != abi::Place::kHost) {
      return fail(error, Code::kUnsupported, "input '%s': only host memory is supported", inputs_[i].info.name);
    }
    ort::Value* value = nullptr;
    if (!check(runtime_.api->CreateTensorWithDataAsOrtValue(host_memory_.get(), tensor.data, tensor.size_bytes,
                                                            tensor.shape, static_cast<std::size_t>(tensor.rank),
                                                            type->theirs, &value),
               "CreateTensorWithDataAsOrtValue")) {
      return check.code();
    }
    values.push_back(runtime_.own(value));
  }
  return Code::kOk;
}

Code Engine::export_output(ort::Value* value, abi::Tensor& tensor, abi::Error* error) const {
  Checker check(runtime_, error);
  ort::TensorShape* raw = nullptr;
  if (!check(runtime_.api->GetTensorTypeAndShape(value, &raw), "GetTensorTypeAndShape")) return check.code();
  const Handle<ort::TensorShape> shape = runtime_.own(raw);
  TensorFacts facts;
  if (Code code = read_facts(runtime_, raw, facts, error); code != Code::kOk) return code;
  if (!check(runtime_.api->GetTensorMutableData(value, &tensor.data), "GetTensorMutableData")) return check.code();
  std::memcpy(tensor.shape, facts.shape, sizeof tensor.shape);
  tensor.rank = facts.rank;
  tensor.dtype = facts.dtype;
  tensor.size_bytes = facts.size_bytes;
  tensor.place = abi::Place::kHost;
  return Code::kOk;
}

}  // namespace edgecore::cpu
