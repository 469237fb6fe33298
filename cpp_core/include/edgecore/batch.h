// Inputs of several streams gathered into one run of a model that takes many.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

/// Shared by threads, one for each stream: run() takes one stream's input and gives its share of the outputs. A run
/// starts when it is full or when its oldest input has waited for the deadline, so that a slow stream holds up nobody.
/// The engine belongs to the batcher. Copies inputs and outputs on the host: for a model whose batch is worth that.
class Batcher {
 public:
  /// most: inputs of one run where the model's first dimension is free; 0 where it is not: the model says it then.
  /// kUnsupported for a model that has not one input or whose tensors do not all begin with the batch.
  static Result<Batcher> make(Engine engine, std::int32_t most, std::chrono::microseconds deadline);

  /// Inputs of one run: the model's first dimension, or what make() was told.
  std::int32_t size() const noexcept;

  /// input: [1, ...] on the host, in place until the call returns. One buffer per output, [1, ...], the caller's.
  /// An error of the run is everybody's who was in it; an input of another shape is the caller's alone.
  Result<std::vector<TensorBuffer>> run(const TensorView& input);

 private:
  struct State;
  explicit Batcher(std::shared_ptr<State> state) noexcept;
  std::shared_ptr<State> state_;
};

}  // namespace edgecore
