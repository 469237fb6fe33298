#include "batch.h"

#include <algorithm>
#include <string>

namespace edgecore {

Result<Batching> plan_batching(const Engine& engine, std::int32_t wanted) {
  const Shape& input = engine.inputs().front().shape;
  const std::int64_t fixed = input.front();
  const bool is_free = fixed < 0;
  if (!is_free && wanted != 0 && wanted != fixed) {
    return Error{Code::kInvalidArgument,
                 "engine.batch: the model's input is " + to_string(input) + ", and runs of " + std::to_string(wanted) +
                     " were asked for", "leave the key out, or export the model with a free first dimension"};
  }
  const Batching batching{is_free ? std::max(wanted, 1) : fixed, !is_free};
  if (batching.most == 1) return batching;
  for (const TensorInfo& output : engine.outputs()) {
    const bool fits = !output.shape.empty() && (output.shape.front() < 0 || output.shape.front() == fixed);
    if (fits) continue;
    return Error{Code::kUnsupported,
                 "engine.batch: output '" + output.name + "' is " + to_string(output.shape) + ", the model's input " +
                     to_string(input), "only a model whose outputs all begin with the batch can be cut into its rows"};
  }
  return batching;
}

Result<std::vector<TensorView>> row_of(const std::vector<TensorView>& outputs, std::int64_t row, std::int64_t rows) {
  if (rows == 1) return outputs;
  std::vector<TensorView> parts;
  for (const TensorView& output : outputs) {
    if (output.shape.empty() || output.shape.front() != rows) {
      return Error{Code::kInternal, "an output is " + to_string(output.shape) + " for a batch of " + std::to_string(rows), {}};
    }
    TensorView& part = parts.emplace_back(output);  // dense: rows are parts of one size
    part.shape.front() = 1;
    part.data = static_cast<const char*>(output.data) + static_cast<std::size_t>(row) * part.size_bytes();
  }
  return parts;
}

}  // namespace edgecore
