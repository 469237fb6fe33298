// Objects as points: each heatmap cell is a possible centre, with a log size and a sub-cell offset.
// Source: Zhou et al., "Objects as Points" (arXiv:1904.07850); Xu et al., "CenterFace"
// (arXiv:1911.03599), whose published ONNX gives scale as (log h, log w) in cells, offset as (y, x).
#include <cmath>

#include "heads/heads.h"

namespace edgecore::heads {
namespace {

/// Grid of cells: one plane per label for the heatmap, two planes for scale and offset.
struct Grid {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::size_t cells() const noexcept { return static_cast<std::size_t>(height * width); }
};

Shape planes(std::int64_t count, const Grid& grid) { return {1, count, grid.height, grid.width}; }

Status check_shapes(const std::vector<Output>& outputs, const ModelDescription& model, const Grid& grid) {
  const auto labels = static_cast<std::int64_t>(model.labels.size());
  const std::array<Shape, 3> expected{planes(labels, grid), planes(2, grid), planes(2, grid)};
  for (std::size_t role = 0; role < expected.size(); ++role) {
    if (outputs[role].view.shape != expected[role]) {
      return shape_error(model, outputs[role], to_string(expected[role]) + " (input size / head.stride)",
                         "compare labels, head.stride, input size and the names in head.outputs with the model");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Detection>> decode_centernet(const std::vector<Output>& outputs, const ModelDescription& model) {
  const Grid grid{model.input.height_px / model.head.stride, model.input.width_px / model.head.stride};
  if (Status status = check_shapes(outputs, model, grid); !status) return status.error();

  const float* heatmap = outputs[0].view.floats();
  const float* log_height = outputs[1].view.floats();
  const float* log_width = log_height + grid.cells();
  const float* offset_y = outputs[2].view.floats();
  const float* offset_x = offset_y + grid.cells();
  const auto stride = static_cast<float>(model.head.stride);

  std::vector<Detection> boxes;
  for (std::size_t label = 0; label < model.labels.size(); ++label) {
    for (std::size_t cell = 0; cell < grid.cells(); ++cell) {
      const float score = heatmap[label * grid.cells() + cell];
      if (!(score >= model.head.score_threshold)) continue;
      const auto row = static_cast<float>(cell / static_cast<std::size_t>(grid.width));
      const auto column = static_cast<float>(cell % static_cast<std::size_t>(grid.width));
      boxes.push_back(centred((column + offset_x[cell] + 0.5F) * stride, (row + offset_y[cell] + 0.5F) * stride,
                              std::exp(log_width[cell]) * stride, std::exp(log_height[cell]) * stride, score,
                              static_cast<std::int32_t>(label)));
    }
  }
  return boxes;
}

}  // namespace edgecore::heads
