#include "edgecore/model.h"

#include <algorithm>
#include <limits>
#include <system_error>

#include "edgecore/postprocess.h"
#include "suggest.h"
#include "yaml.h"

namespace edgecore {
namespace {

constexpr std::int32_t kMaxSide = 8192;  // larger inputs do not fit an edge accelerator; a typo more likely

void read_input(yaml::Map input, InputDescription& description) {
  input.read("name", description.name);
  input.require("width_px", description.width_px, 1, kMaxSide);
  input.require("height_px", description.height_px, 1, kMaxSide);
  input.choose<Layout>("layout", description.layout, {{"nchw", Layout::kNchw}, {"nhwc", Layout::kNhwc}});
  input.choose<ColorOrder>("order", description.order, {{"rgb", ColorOrder::kRgb}, {"bgr", ColorOrder::kBgr}});
  input.choose<Fit>("fit", description.fit, {{"letterbox", Fit::kLetterbox}, {"stretch", Fit::kStretch}});
  input.read("pad", description.pad, std::uint8_t{0}, std::uint8_t{255});
  input.read("mean", description.mean);
  input.read("scale", description.scale);
}

void read_head(yaml::Map head, HeadDescription& description) {
  head.require("kind", description.kind);
  yaml::Pairs outputs;
  head.read("outputs", outputs);
  description.outputs = {outputs.begin(), outputs.end()};
  head.read("score_threshold", description.score_threshold, 0.0F, 1.0F);
  head.read("iou_threshold", description.iou_threshold, 0.0F, 1.0F);
  head.read("stride", description.stride, 1, 128);
  head.read("max_detections", description.max_detections, 1, 100000);
}

/// Small letters, as sha256_of() gives them.
void read_sha256(yaml::Map& root, std::string& sha256) {
  if (!root.has("sha256")) return;
  root.require("sha256", sha256);
  for (char& digit : sha256) {
    if (digit >= 'A' && digit <= 'F') digit = static_cast<char>(digit - 'A' + 'a');
  }
  const bool is_hex = sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hex || sha256.size() != 64) {
    root.refuse("sha256", "expected 64 hex digits, found '" + sha256 + "'", "`sha256sum MODEL` prints them");
  }
}

void check_head(yaml::Map head, const HeadDescription& description) {
  const std::vector<std::string> kinds = head_kinds();
  if (std::find(kinds.begin(), kinds.end(), description.kind) == kinds.end()) {
    head.refuse("kind", "no decoder named '" + description.kind + "'", suggest(description.kind, kinds));
    return;
  }
  const std::vector<std::string> roles = head_roles(description.kind);
  for (const auto& [role, tensor] : description.outputs) {
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) {
      head.refuse("outputs", "a " + description.kind + " head has no output '" + role + "'", suggest(role, roles));
    }
  }
  if (roles.size() == 1) return;  // the model's only output needs no name
  for (const std::string& role : roles) {
    if (description.outputs.count(role) == 0) {
      head.refuse("outputs", "'" + role + "' is missing", "say which of the model's outputs it is, as " + role + ": NAME");
    }
  }
}

/// The tensor that `description` feeds, among the model's inputs.
Result<TensorInfo> find_input(const ModelDescription& description, const std::vector<TensorInfo>& inputs) {
  const std::string where = description.source.string() + ": input.name: ";
  std::vector<std::string> names;
  for (const TensorInfo& input : inputs) names.push_back(input.name);
  if (inputs.size() != 1) {
    return Error{Code::kUnsupported,
                 where + "the model has " + std::to_string(inputs.size()) + " inputs, and one picture goes in",
                 suggest("", names)};
  }
  if (!description.input.name.empty() && description.input.name != names.front()) {
    return Error{Code::kInvalidArgument, where + "the model has no input named '" + description.input.name + "'",
                 suggest(description.input.name, names)};
  }
  return inputs.front();
}

Status check_input(const ModelDescription& description, const TensorInfo& tensor) {
  const InputDescription& input = description.input;
  const Shape described = shape_of(input);
  const auto agree = [](std::int64_t described_size, std::int64_t size) { return size < 0 || size == described_size; };
  const bool fits = std::equal(described.begin(), described.end(), tensor.shape.begin(), tensor.shape.end(), agree);
  if (fits && tensor.dtype == DType::kFloat32) return {};
  return Error{Code::kInvalidArgument,
               description.source.string() + ": input: describes float32 " + to_string(described) + ", but the model's '" +
                   tensor.name + "' is " + to_string(tensor.dtype) + " " + to_string(tensor.shape),
               "correct width_px, height_px and layout, or the model"};
}

/// The head's own checks (tensor names, label count, grid) on outputs of the announced shapes, all zero.
/// An Engine announces at most kMaxTensorBytes each.
/// Free dimensions are known only with the first frame; the head checks them then.
Status check_outputs(const ModelDescription& description, const std::vector<TensorInfo>& outputs) {
  std::vector<char> zeros;  // one block for all outputs: heads only read
  std::vector<TensorView> views;
  for (const TensorInfo& output : outputs) {
    if (element_count(output.shape) < 0) return {};
    views.push_back({nullptr, output.dtype, output.shape, Place::kHost});
    zeros.resize(std::max(zeros.size(), views.back().size_bytes()));
  }
  for (TensorView& view : views) view.data = zeros.data();
  const auto decoded = postprocess(views, outputs, description, Placement{}, description.input.width_px, description.input.height_px);
  return decoded ? Status() : Status(decoded.error());
}

}  // namespace

Shape shape_of(const InputDescription& input) {
  const std::int64_t height = input.height_px;
  const std::int64_t width = input.width_px;
  return input.layout == Layout::kNchw ? Shape{1, 3, height, width} : Shape{1, height, width, 3};
}

Result<ModelDescription> load_model_description(const std::filesystem::path& path) {
  Result<yaml::Document> document = yaml::Document::load(path);
  if (!document) return document.error();

  ModelDescription description;
  description.source = path;
  yaml::Map root = document->root();
  std::string file;
  root.require("model", file);
  read_sha256(root, description.sha256);
  read_input(root.map("input"), description.input);
  read_head(root.map("head"), description.head);
  root.require("labels", description.labels);
  check_head(root.map("head"), description.head);
  if (description.labels.empty()) root.refuse("labels", "expected at least one label");
  if (Status status = document->finish(); !status) return status.error();

  std::error_code ignored;
  description.file = std::filesystem::absolute(path, ignored).parent_path() / file;
  return description;
}

Status check_against(const ModelDescription& description, const Engine& engine, bool may_batch) {
  Result<TensorInfo> input = find_input(description, engine.inputs());
  if (!input) return input.error();
  std::vector<TensorInfo> outputs = engine.outputs();
  if (may_batch && !input->shape.empty() && input->shape.front() > 1) {
    const std::int64_t batch = std::exchange(input->shape.front(), 1);
    for (TensorInfo& output : outputs) {
      if (!output.shape.empty() && output.shape.front() == batch) output.shape.front() = 1;
    }
  }
  if (Status status = check_input(description, *input); !status) return status;
  return check_outputs(description, outputs);
}

}  // namespace edgecore
