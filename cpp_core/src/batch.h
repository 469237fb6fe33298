// Several inputs in one run, of a model whose first dimension is free or more than 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

struct Batching {
  std::int64_t most = 1;  // inputs of one run
  bool is_fixed = true;   // the model takes exactly so many

  /// Rows of the tensor for a run of `count` inputs.
  std::int64_t rows(std::size_t count) const noexcept { return is_fixed ? most : static_cast<std::int64_t>(count); }
};

/// wanted: 0 for what the model says, 1 where that is free. An engine of one input.
Result<Batching> plan_batching(const Engine& engine, std::int32_t wanted);

/// One row of outputs that each have `rows` of them; kInternal where one has not.
Result<std::vector<TensorView>> row_of(const std::vector<TensorView>& outputs, std::int64_t row, std::int64_t rows);

}  // namespace edgecore
