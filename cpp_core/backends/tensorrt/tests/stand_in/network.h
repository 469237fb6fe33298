// What the stand-in computes with: the ONNX model in a plan, run by ONNX Runtime through the `cpu` backend's own sources.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgecore/abi.h"

namespace edgecore::cpu {
class Engine;
}

namespace stand_in {

using Shape = std::vector<std::int64_t>;  // -1: free

struct Tensor {
  std::string name;
  Shape shape;
  edgecore::abi::DType dtype = edgecore::abi::DType::kFloat32;
  bool is_input = false;
  std::size_t element_bytes() const;
};

class Network {
 public:
  ~Network();
  /// False, with the reason in `problem`.
  bool load(const void* onnx, std::size_t size_bytes, std::string& problem);

  const std::vector<Tensor>& tensors() const { return tensors_; }  // inputs, then outputs
  std::size_t input_count() const { return inputs_; }

  /// in: one buffer per input, of these shapes. out: shape and bytes of each output; they stay until the next run.
  bool run(const std::vector<const void*>& in, const std::vector<Shape>& shapes, std::vector<edgecore::abi::Tensor>& out,
           std::string& problem);

  /// The shapes that outputs have for these inputs: learnt by a run on zeros.
  bool infer(const std::vector<Shape>& shapes, std::vector<Shape>& outputs, std::string& problem);

 private:
  edgecore::cpu::Engine* engine_ = nullptr;
  std::vector<Tensor> tensors_;
  std::size_t inputs_ = 0;
};

std::size_t size_bytes(const Shape& shape, std::size_t element_bytes);

}  // namespace stand_in
