// Model descriptions: what is read, what is refused, and whether they fit the model that was opened.
#include "edgecore/model.h"
#include "edgecore/module.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>

#include "scratch.h"

namespace edgecore {
namespace {

const std::string kFace =
    "model: weights/face.onnx\n"
    "input: {name: input.1, width_px: 320, height_px: 224, order: bgr, pad: 114, mean: 127.5, scale: [1, 0.5, 0.25]}\n"
    "head:\n"
    "  kind: centernet\n"
    "  outputs: {heatmap: \"537\", scale: \"538\", offset: \"539\"}\n"
    "  score_threshold: 0.35\n"
    "  stride: 4\n"
    "labels: [face]\n";

/// kFace with one piece of text replaced.
std::string face_with(const std::string& from, const std::string& to) {
  std::string text = kFace;
  REQUIRE(text.find(from) != std::string::npos);
  return text.replace(text.find(from), from.size(), to);
}

/// The error as a person sees it, the file's folder left out.
std::string refusal(const std::string& text) {
  const test::ScratchFolder folder;
  const Result<ModelDescription> description = load_model_description(folder.write("face.yaml", text));
  if (description.ok()) return "ok";
  const std::string told = to_string(description.error());
  return told.substr(told.find("face.yaml"));
}

TEST_CASE("a description is read whole, the model beside it") {
  const test::ScratchFolder folder;
  const auto description = load_model_description(folder.write("face.yaml", kFace));
  REQUIRE_MESSAGE(description.ok(), description.error().message);
  CHECK(description->source == folder.path() / "face.yaml");
  CHECK(description->file == folder.path() / "weights/face.onnx");
  CHECK(description->file.is_absolute());
  const InputDescription& input = description->input;
  CHECK(input.name == "input.1");
  CHECK(input.width_px == 320);
  CHECK(input.height_px == 224);
  CHECK(input.layout == Layout::kNchw);
  CHECK(input.order == ColorOrder::kBgr);
  CHECK(input.fit == Fit::kLetterbox);
  CHECK(input.pad == 114);
  CHECK(input.mean == std::array<float, 3>{127.5F, 127.5F, 127.5F});
  CHECK(input.scale == std::array<float, 3>{1.0F, 0.5F, 0.25F});
  CHECK(description->head.kind == "centernet");
  CHECK(description->head.outputs.at("scale") == "538");
  CHECK(description->head.score_threshold == 0.35F);
  CHECK(description->head.iou_threshold == 0.45F);
  CHECK(description->labels == std::vector<std::string>{"face"});
}

TEST_CASE("a sha256 is read in small letters, and there is none unless given") {
  const test::ScratchFolder folder;
  CHECK(load_model_description(folder.write("face.yaml", kFace))->sha256.empty());
  const std::string digits = "0123456789ABCDEFabcdef" + std::string(42, '7');
  CHECK(load_model_description(folder.write("face.yaml", kFace + "sha256: " + digits + "\n"))->sha256 ==
        "0123456789abcdefabcdef" + std::string(42, '7'));
}

TEST_CASE("a description that cannot be meant is refused") {
  const struct {
    std::string text;
    std::string told;
  } rows[] = {
      {face_with("model: weights/face.onnx\n", ""), "face.yaml:1: model: missing"},
      {kFace + "sha256: abc\n",
       "face.yaml:9: sha256: expected 64 hex digits, found 'abc'\n  hint: `sha256sum MODEL` prints them"},
      {kFace + "sha256: ''\n",
       "face.yaml:9: sha256: expected 64 hex digits, found ''\n  hint: `sha256sum MODEL` prints them"},
      {kFace + "sha256: " + std::string(63, '0') + "g\n",
       "face.yaml:9: sha256: expected 64 hex digits, found '" + std::string(63, '0') +
           "g'\n  hint: `sha256sum MODEL` prints them"},
      {face_with("width_px: 320, ", ""), "face.yaml:2: input.width_px: missing"},
      {face_with("width_px: 320", "width_px: 0"), "face.yaml:2: input.width_px: expected 1 to 8192, found 0"},
      {face_with("width_px: 320", "width: 320"), "face.yaml:2: input.width: unknown key\n  hint: known: "},
      {face_with("order: bgr", "order: gbr"), "face.yaml:2: input.order: no choice named 'gbr'\n  hint: did you mean 'bgr'?"},
      {face_with("kind: centernet", "kind: centrenet"),
       "face.yaml:4: head.kind: no decoder named 'centrenet'\n  hint: did you mean 'centernet'?"},
      {face_with("heatmap: \"537\", ", ""),
       "face.yaml:5: head.outputs: 'heatmap' is missing\n  hint: say which of the model's outputs it is, as heatmap: NAME"},
      {face_with("heatmap:", "heatmaps:"),
       "face.yaml:5: head.outputs: a centernet head has no output 'heatmaps'\n  hint: did you mean 'heatmap'?"},
      {face_with("labels: [face]", "labels: []"), "face.yaml:8: labels: expected at least one label"},
      {face_with("labels: [face]", "lables: [face]"), "face.yaml:8: lables: unknown key\n  hint: did you mean 'labels'?"},
      {face_with("head:\n", "heads:\n"), "face.yaml:3: heads: unknown key\n  hint: did you mean 'head'?"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(refusal(row.text).substr(0, row.told.size()) == row.told);
  }
}

TEST_CASE("a head with one output needs no name for it") {
  std::string text = face_with("  outputs: {heatmap: \"537\", scale: \"538\", offset: \"539\"}\n", "");
  text.replace(text.find("centernet"), 9, "yolov8");
  CHECK(refusal(text) == "ok");
}

// --- Against a model ---------------------------------------------------------------------------------

/// A model that is only its announced inputs and outputs.
class PaperEngine final : public module::BlockingEngine {
 public:
  PaperEngine(std::vector<abi::TensorInfo> inputs, std::vector<abi::TensorInfo> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  std::size_t input_count() const noexcept override { return inputs_.size(); }
  std::size_t output_count() const noexcept override { return outputs_.size(); }
  const abi::TensorInfo* input(std::size_t i) const noexcept override { return &inputs_[i]; }
  const abi::TensorInfo* output(std::size_t i) const noexcept override { return &outputs_[i]; }
  Code run(const abi::Tensor*, std::size_t, abi::Tensor*, std::size_t, abi::Error*) noexcept override {
    return Code::kInternal;
  }
  void release() noexcept override { delete this; }

 private:
  std::vector<abi::TensorInfo> inputs_;
  std::vector<abi::TensorInfo> outputs_;
};

abi::TensorInfo port(const char* name, const Shape& shape, DType dtype = DType::kFloat32) {
  abi::TensorInfo info;
  std::snprintf(info.name, sizeof info.name, "%s", name);
  std::copy(shape.begin(), shape.end(), info.shape);
  info.rank = static_cast<std::int32_t>(shape.size());
  info.dtype = dtype;
  return info;
}

const std::vector<abi::TensorInfo> kFaceOutputs{port("537", {1, 1, 56, 80}), port("538", {1, 2, 56, 80}),
                                                port("539", {1, 2, 56, 80})};

Status check_face(const std::vector<abi::TensorInfo>& inputs, const std::vector<abi::TensorInfo>& outputs) {
  const test::ScratchFolder folder;
  const auto description = load_model_description(folder.write("face.yaml", kFace));
  REQUIRE(description.ok());
  const Result<Engine> engine = Engine::adopt(new PaperEngine(inputs, outputs));
  REQUIRE(engine.ok());
  return check_against(*description, *engine);
}

TEST_CASE("a description fits its model, also where the model's sizes are free") {
  CHECK(check_face({port("input.1", {1, 3, 224, 320})}, kFaceOutputs).ok());
  CHECK(check_face({port("input.1", {-1, 3, -1, -1})}, kFaceOutputs).ok());
  CHECK(check_face({port("input.1", {1, 3, 224, 320})}, {port("537", {1, 1, -1, -1}), port("538", {1, 2, -1, -1}), port("539", {1, 2, -1, -1})}).ok());
}

TEST_CASE("a description that contradicts the model is refused when it is opened") {
  const struct {
    const char* what;
    std::vector<abi::TensorInfo> inputs;
    std::vector<abi::TensorInfo> outputs;
    const char* told;
  } rows[] = {
      {"another size", {port("input.1", {1, 3, 224, 640})}, kFaceOutputs, "describes float32 1x3x224x320, but the model's 'input.1' is float32 1x3x224x640"},
      {"another layout", {port("input.1", {1, 224, 320, 3})}, kFaceOutputs, "is float32 1x224x320x3"},
      {"another type", {port("input.1", {1, 3, 224, 320}, DType::kUInt8)}, kFaceOutputs, "is uint8 1x3x224x320"},
      {"another rank", {port("input.1", {3, 224, 320})}, kFaceOutputs, "is float32 3x224x320"},
      {"another name", {port("image", {1, 3, 224, 320})}, kFaceOutputs, "the model has no input named 'input.1'"},
      {"two inputs", {port("input.1", {1, 3, 224, 320}), port("b", {1})}, kFaceOutputs, "the model has 2 inputs"},
      {"no such output", {port("input.1", {1, 3, 224, 320})}, {port("1", {1, 1, 56, 80})}, "no output named '537'"},
      {"more classes than labels", {port("input.1", {1, 3, 224, 320})}, {port("537", {1, 80, 56, 80}), kFaceOutputs[1], kFaceOutputs[2]}, "537"},
      {"another grid", {port("input.1", {1, 3, 224, 320})}, {port("537", {1, 1, 28, 40}), port("538", {1, 2, 28, 40}), port("539", {1, 2, 28, 40})}, "537"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const Status status = check_face(row.inputs, row.outputs);
    REQUIRE_FALSE(status.ok());
    CAPTURE(status.error().message);
    CHECK(status.error().message.find("face.yaml: ") != std::string::npos);
    CHECK(status.error().message.find(row.told) != std::string::npos);
  }
}

}  // namespace
}  // namespace edgecore
