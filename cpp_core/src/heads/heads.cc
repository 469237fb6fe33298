#include "heads/heads.h"

#include <algorithm>
#include <array>

namespace edgecore {
namespace heads {
namespace {

/// The only list of heads. A new one is a file beside this and a row here.
const std::array<Head, 3>& table() {
  static const std::array<Head, 3> kHeads{{
      {"centernet", {"heatmap", "scale", "offset"}, decode_centernet},
      {"yolov5", {"boxes"}, decode_yolov5},
      {"yolov8", {"boxes"}, decode_yolov8},
  }};
  return kHeads;
}

}  // namespace

const Head* find_head(const std::string& kind) {
  const auto found =
      std::find_if(table().begin(), table().end(), [&](const Head& head) { return head.kind == kind; });
  return found == table().end() ? nullptr : &*found;
}

Error shape_error(const ModelDescription& model, const Output& output, const std::string& expected,
                  std::string hint) {
  return {Code::kInvalidArgument,
          model.source.string() + ": output '" + output.name + "' is " + to_string(output.view.shape) + ", but a " +
              model.head.kind + " head with " + count_labels(model) + " needs " + expected,
          std::move(hint)};
}

std::string count_labels(const ModelDescription& model) {
  return std::to_string(model.labels.size()) + (model.labels.size() == 1 ? " label" : " labels");
}

}  // namespace heads

std::vector<std::string> head_kinds() {
  std::vector<std::string> kinds;
  for (const heads::Head& head : heads::table()) kinds.push_back(head.kind);
  return kinds;
}

std::vector<std::string> head_roles(const std::string& kind) {
  const heads::Head* head = heads::find_head(kind);
  return head == nullptr ? std::vector<std::string>{} : head->roles;
}

}  // namespace edgecore
