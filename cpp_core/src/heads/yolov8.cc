// YOLOv8 and YOLO11 as exported: one column per anchor, rows [centre x, centre y, width, height,
// one score per class], model-input pixels; there is no objectness.
// Source: Ultralytics export documentation, output0 of the ONNX format.
#include "heads/heads.h"

namespace edgecore::heads {
namespace {

constexpr std::int64_t kClassesAt = 4;

Status check_shape(const Output& output, const ModelDescription& model) {
  const Shape& shape = output.view.shape;
  const std::int64_t rows = kClassesAt + static_cast<std::int64_t>(model.labels.size());
  if (shape.size() == 3 && shape[0] == 1 && shape[1] == rows) return {};
  return shape_error(model, output, "1x" + std::to_string(rows) + "xN (box, classes)",
                     "compare labels with the model; an output of 1xNx(5+labels) belongs to head.kind: yolov5");
}

struct Best {
  std::int32_t label = 0;
  float score = 0.0F;
};

/// Of equal scores the lower label wins.
Best best_class(const float* scores, std::int64_t classes, std::int64_t anchors) noexcept {
  Best best{0, scores[0]};
  for (std::int64_t label = 1; label < classes; ++label) {
    const float score = scores[label * anchors];
    if (score > best.score) best = {static_cast<std::int32_t>(label), score};
  }
  return best;
}

}  // namespace

Result<std::vector<Detection>> decode_yolov8(const std::vector<Output>& outputs, const ModelDescription& model) {
  if (Status status = check_shape(outputs[0], model); !status) return status.error();

  const std::int64_t classes = outputs[0].view.shape[1] - kClassesAt;
  const std::int64_t anchors = outputs[0].view.shape[2];
  const float* values = outputs[0].view.floats();
  std::vector<Detection> boxes;
  for (std::int64_t anchor = 0; anchor < anchors; ++anchor) {
    const float* column = values + anchor;
    const Best best = best_class(column + kClassesAt * anchors, classes, anchors);
    if (!(best.score >= model.head.score_threshold)) continue;
    boxes.push_back(centred(column[0], column[anchors], column[2 * anchors], column[3 * anchors], best.score,
                            best.label));
  }
  return boxes;
}

}  // namespace edgecore::heads
