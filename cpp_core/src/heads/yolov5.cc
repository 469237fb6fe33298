// YOLOv5 as exported with its decoding inside: one row per anchor,
// [centre x, centre y, width, height, objectness, one score per class], model-input pixels.
// Source: Ultralytics YOLOv5 export documentation, output0 of the ONNX format.
#include <algorithm>

#include "heads/heads.h"

namespace edgecore::heads {
namespace {

constexpr std::int64_t kClassesAt = 5;

Status check_shape(const Output& output, const ModelDescription& model) {
  const Shape& shape = output.view.shape;
  const std::int64_t row = kClassesAt + static_cast<std::int64_t>(model.labels.size());
  if (shape.size() == 3 && shape[0] == 1 && shape[2] == row) return {};
  return shape_error(model, output, "1xNx" + std::to_string(row) + " (box, objectness, classes)",
                     "compare labels with the model; an output of 1x(4+labels)xN belongs to head.kind: yolov8");
}

}  // namespace

Result<std::vector<Detection>> decode_yolov5(const std::vector<Output>& outputs, const ModelDescription& model) {
  if (Status status = check_shape(outputs[0], model); !status) return status.error();

  const std::int64_t anchors = outputs[0].view.shape[1];
  const std::int64_t row_length = outputs[0].view.shape[2];
  std::vector<Detection> boxes;
  for (std::int64_t anchor = 0; anchor < anchors; ++anchor) {
    const float* row = outputs[0].view.floats() + anchor * row_length;
    const float objectness = row[4];
    // A class score is at most 1, so the product can't reach the threshold either.
    if (!(objectness >= model.head.score_threshold)) continue;
    const float* best = std::max_element(row + kClassesAt, row + row_length);
    const float score = objectness * *best;
    if (!(score >= model.head.score_threshold)) continue;
    const auto label = static_cast<std::int32_t>(best - (row + kClassesAt));
    boxes.push_back(centred(row[0], row[1], row[2], row[3], score, label));
  }
  return boxes;
}

}  // namespace edgecore::heads
