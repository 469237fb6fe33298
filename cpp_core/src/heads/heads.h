// What a head decoder sees and gives back. One decoder per file beside this one.
#pragma once

#include <string>
#include <vector>

#include "edgecore/model.h"
#include "edgecore/postprocess.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore::heads {

/// A head's tensor with the name the model gives it, for messages.
struct Output {
  std::string name;
  TensorView view;  // float32, host
};

/// outputs: one per role, in the order of Head::roles. Gives every box that scores at least
/// head.score_threshold, in model-input pixels, in no particular order and before suppression.
using Decode = Result<std::vector<Detection>> (*)(const std::vector<Output>& outputs, const ModelDescription& model);

struct Head {
  std::string kind;
  std::vector<std::string> roles;
  Decode decode;
};

/// nullptr when no head has that name.
const Head* find_head(const std::string& kind);

Result<std::vector<Detection>> decode_centernet(const std::vector<Output>& outputs, const ModelDescription& model);
Result<std::vector<Detection>> decode_yolov5(const std::vector<Output>& outputs, const ModelDescription& model);
Result<std::vector<Detection>> decode_yolov8(const std::vector<Output>& outputs, const ModelDescription& model);

/// "face.yaml: output '537' is 1x2x56x80, but a centernet head with 1 label needs 1x1x56x80"
Error shape_error(const ModelDescription& model, const Output& output, const std::string& expected, std::string hint);

/// "1 label", "80 labels".
std::string count_labels(const ModelDescription& model);

/// Box around a centre; score and label are the caller's.
inline Detection centred(float x, float y, float width, float height, float score, std::int32_t label) noexcept {
  const float half_width = width / 2.0F;
  const float half_height = height / 2.0F;
  return {label, score, {x - half_width, y - half_height, x + half_width, y + half_height}};
}

}  // namespace edgecore::heads
