// From a model's raw outputs to boxes in frame pixels.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "edgecore/model.h"
#include "edgecore/preprocess.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

/// box: x0, y0, x1, y1 in frame pixels, clipped to the frame.
struct Detection {
  std::int32_t label = 0;
  float score = 0.0F;
  std::array<float, 4> box{};
};

/// Head decoders by name: one function each, in src/heads/; the table is in src/heads/heads.cc.
std::vector<std::string> head_kinds();

/// Tensor roles the head needs in `head.outputs`, e.g. {"heatmap", "scale", "offset"}; optional ones are not listed.
std::vector<std::string> head_roles(const std::string& kind);

/// outputs: as Engine::run returned them, described by `infos`. Boxes sorted by falling score after
/// class-wise non-maximum suppression.
Result<std::vector<Detection>> postprocess(const std::vector<TensorView>& outputs,
                                           const std::vector<TensorInfo>& infos,
                                           const ModelDescription& model, const Placement& placement,
                                           std::int32_t frame_width_px, std::int32_t frame_height_px);

/// Greedy, class by class; keeps the order of falling score (ties: lower label, then smaller x0, y0).
std::vector<Detection> non_maximum_suppression(std::vector<Detection> boxes, float iou_threshold,
                                               std::int32_t max_detections);

}  // namespace edgecore
