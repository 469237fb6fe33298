#include "edgecore/postprocess.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "heads/heads.h"

namespace edgecore {
namespace {

using heads::Head;
using heads::Output;

float area(const Detection& d) noexcept { return (d.box[2] - d.box[0]) * (d.box[3] - d.box[1]); }

float intersection_over_union(const Detection& a, const Detection& b) noexcept {
  const float width = std::min(a.box[2], b.box[2]) - std::max(a.box[0], b.box[0]);
  const float height = std::min(a.box[3], b.box[3]) - std::max(a.box[1], b.box[1]);
  if (width <= 0.0F || height <= 0.0F) return 0.0F;
  const float shared = width * height;
  return shared / (area(a) + area(b) - shared);
}

bool is_finite(const Detection& d) noexcept {
  return std::isfinite(d.score) && std::all_of(d.box.begin(), d.box.end(), [](float edge) { return std::isfinite(edge); });
}

/// A total order of finite detections, so that no sort or standard library can change the result.
bool comes_first(const Detection& a, const Detection& b) noexcept {
  return std::tie(b.score, a.label, a.box) < std::tie(a.score, b.label, b.box);
}

/// load_model_description refuses these too; a description may also be filled in by hand.
Result<const Head*> find_usable_head(const ModelDescription& model) {
  const std::string where = model.source.string() + ": ";
  const Head* head = heads::find_head(model.head.kind);
  if (head == nullptr) {
    return Error{Code::kInvalidArgument, where + "head.kind: no decoder named '" + model.head.kind + "'", ""};
  }
  if (model.labels.empty()) return Error{Code::kInvalidArgument, where + "labels: empty", ""};
  if (model.head.stride <= 0) return Error{Code::kInvalidArgument, where + "head.stride: must be positive", ""};
  return head;
}

/// The name the description gives to `role`; a head with one role may leave it out when the model
/// has one output.
std::string output_name(const HeadDescription& head, const std::string& role, const std::vector<TensorInfo>& infos) {
  const auto named = head.outputs.find(role);
  if (named != head.outputs.end()) return named->second;
  return infos.size() == 1 && head_roles(head.kind).size() == 1 ? infos.front().name : "";
}

Result<Output> find_output(const std::vector<TensorView>& outputs, const std::vector<TensorInfo>& infos,
                           const ModelDescription& model, const std::string& role) {
  const std::string name = output_name(model.head, role, infos);
  const auto info = std::find_if(infos.begin(), infos.end(), [&](const TensorInfo& i) { return i.name == name; });
  if (info == infos.end()) {
    std::string known;
    for (const TensorInfo& i : infos) known += (known.empty() ? "" : ", ") + i.name;
    return Error{Code::kInvalidArgument,
                 model.source.string() + ": head.outputs." + role + ": " +
                     (name.empty() ? "missing" : "the model has no output named '" + name + "'"),
                 "its outputs are " + known};
  }
  const TensorView& view = outputs[static_cast<std::size_t>(info - infos.begin())];
  if (view.dtype != DType::kFloat32 || view.place != Place::kHost) {
    return Error{Code::kUnsupported,
                 model.source.string() + ": output '" + name + "' is " + to_string(view.dtype) +
                     (view.place == Place::kHost ? "" : " in device memory") + "; heads read float32 in host memory",
                 "let the model or its backend give float32 outputs"};
  }
  return Output{name, view};
}

/// Model pixels to frame pixels, cut off at the frame's edge.
Detection to_frame(Detection d, const Placement& placement, std::int32_t width_px, std::int32_t height_px) noexcept {
  const auto right = static_cast<float>(width_px);
  const auto bottom = static_cast<float>(height_px);
  d.box = {std::clamp(placement.to_frame_x(d.box[0]), 0.0F, right),
           std::clamp(placement.to_frame_y(d.box[1]), 0.0F, bottom),
           std::clamp(placement.to_frame_x(d.box[2]), 0.0F, right),
           std::clamp(placement.to_frame_y(d.box[3]), 0.0F, bottom)};
  return d;
}

/// False for boxes outside the picture (in a letterbox bar) and for NaN.
bool has_area(const Detection& d) noexcept { return d.box[2] > d.box[0] && d.box[3] > d.box[1]; }

}  // namespace

Result<std::vector<Detection>> postprocess(const std::vector<TensorView>& outputs,
                                           const std::vector<TensorInfo>& infos, const ModelDescription& model,
                                           const Placement& placement, std::int32_t frame_width_px,
                                           std::int32_t frame_height_px) {
  const Result<const Head*> head = find_usable_head(model);
  if (!head) return head.error();
  std::vector<Output> by_role;
  for (const std::string& role : (*head)->roles) {
    Result<Output> output = find_output(outputs, infos, model, role);
    if (!output) return output.error();
    by_role.push_back(std::move(*output));
  }
  Result<std::vector<Detection>> decoded = (*head)->decode(by_role, model);
  if (!decoded) return decoded;

  std::vector<Detection> boxes;
  for (const Detection& candidate : *decoded) {
    const Detection box = to_frame(candidate, placement, frame_width_px, frame_height_px);
    if (has_area(box)) boxes.push_back(box);
  }
  return non_maximum_suppression(std::move(boxes), model.head.iou_threshold, model.head.max_detections);
}

std::vector<Detection> non_maximum_suppression(std::vector<Detection> boxes, float iou_threshold,
                                               std::int32_t max_detections) {
  boxes.erase(std::remove_if(boxes.begin(), boxes.end(), [](const Detection& box) { return !is_finite(box); }), boxes.end());
  std::sort(boxes.begin(), boxes.end(), comes_first);
  const auto limit = static_cast<std::size_t>(std::max(max_detections, 0));
  std::vector<Detection> kept;
  for (const Detection& box : boxes) {
    if (kept.size() == limit) break;
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Detection& better) {
      return better.label == box.label && intersection_over_union(better, box) > iou_threshold;
    });
    if (!covered) kept.push_back(box);
  }
  return kept;
}

}  // namespace edgecore
