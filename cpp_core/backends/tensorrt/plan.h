// A deserialized plan with one execution context: tensors, shapes and how to run it, whether the release knows tensors
// by name (8.5 and later) or by binding.
#pragma once

#include <string>
#include <vector>

#include "model_file.h"
#include "options.h"
#include "runtime.h"

namespace edgecore::tensorrt {

/// name: in full, abi::TensorInfo's is cut off at kMaxName. binding: its index before 8.5.
struct Port {
  std::string name;
  abi::TensorInfo info;
  std::int32_t binding = 0;
  std::size_t element_bytes = 0;
  bool is_free = false;  // has a dimension of -1
};

class Plan {
 public:
  /// The GPU's context has to be current, here and in all that follows. kUnsupported and kCorrupt with TensorRT's words.
  abi::Code load(Library& library, const ModelFile& file, const PlanFacts& facts, const EngineOptions& options,
                 abi::Error* error) noexcept;

  /// Gives back what TensorRT handed out, context before engine before runtime.
  void unload() noexcept;

  const std::vector<Port>& inputs() const noexcept { return inputs_; }
  const std::vector<Port>& outputs() const noexcept { return outputs_; }

  /// The shape of the next run's input. `shape` is as the input's rank says.
  abi::Code set_shape(const Port& input, const std::int64_t* shape, abi::Error* error) noexcept;

  /// What the next run gives, all inputs' shapes being set: shape and size of `tensor`.
  abi::Code shape_of(const Port& output, abi::Tensor& tensor, abi::Error* error) const noexcept;

  /// Enqueues a run. One address per input, then one per output, in the GPU's memory.
  abi::Code enqueue(const std::vector<void*>& addresses, const Stream& stream, abi::Error* error) noexcept;

 private:
  abi::Code deserialize(const ModelFile& file, const PlanFacts& facts, const EngineOptions& options,
                        abi::Error* error) noexcept;
  abi::Code list_tensors(abi::Error* error) noexcept;
  abi::Code describe_named(std::int32_t index, abi::Error* error) noexcept;
  abi::Code describe_bound(std::int32_t binding, abi::Error* error) noexcept;

  struct Described {
    const char* name;
    nvinfer::Dims dims;
    nvinfer::DataType type;
    nvinfer::TensorLocation location;
    nvinfer::TensorFormat format;
    bool is_input;
    std::int32_t binding;
  };
  abi::Code add(const Described& tensor, abi::Error* error) noexcept;

  Library* library_ = nullptr;
  RuntimeHandle runtime_;
  EngineHandle engine_;
  ContextHandle context_;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  std::vector<void*> bindings_;  // before 8.5: one per binding of every profile
};

}  // namespace edgecore::tensorrt
