// One loaded ONNX model.
#pragma once

#include <string>
#include <vector>

#include "edgecore/module.h"
#include "options.h"
#include "runtime.h"

namespace edgecore::cpu {

class Engine final : public module::BlockingEngine {
 public:
  explicit Engine(const Runtime& runtime) : runtime_(runtime) {}

  /// kCorrupt, kUnsupported, ... with ONNX Runtime's own text; the engine is then to be released.
  abi::Code load(const char* model_path, int threads, const EngineOptions& options, abi::Error* error) noexcept;

  std::size_t input_count() const noexcept override { return inputs_.size(); }
  std::size_t output_count() const noexcept override { return outputs_.size(); }
  const abi::TensorInfo* input(std::size_t index) const noexcept override { return &inputs_[index].info; }
  const abi::TensorInfo* output(std::size_t index) const noexcept override { return &outputs_[index].info; }
  abi::Code run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                abi::Error* error) noexcept override;
  void release() noexcept override { delete this; }

 private:
  /// The name in full: abi::TensorInfo's is cut off at kMaxName, and Run() goes by name.
  struct Port {
    std::string name;
    abi::TensorInfo info;
  };
  using NameOf = decltype(ort::Api::SessionGetInputName);
  using TypeOf = decltype(ort::Api::SessionGetInputTypeInfo);

  abi::Code create_session(const char* model_path, int threads, const EngineOptions& options, abi::Error* error);
  abi::Code describe(std::size_t index, NameOf name_of, TypeOf type_of, Port& port, abi::Error* error) const;
  abi::Code wrap_inputs(const abi::Tensor* in, std::vector<Handle<ort::Value>>& values, abi::Error* error) const;
  abi::Code export_output(ort::Value* value, abi::Tensor& tensor, abi::Error* error) const;

  const Runtime& runtime_;
  Handle<ort::MemoryInfo> host_memory_;
  Handle<ort::Session> session_;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  std::vector<Handle<ort::Value>> results_;  // of the last run: the caller reads their memory
};

}  // namespace edgecore::cpu
