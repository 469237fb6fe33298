// Each head against a small tensor whose boxes are known by arithmetic.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "edgecore/postprocess.h"

using namespace edgecore;

namespace {

/// A named float tensor that owns its values.
struct Named {
  std::string name;
  Shape shape;
  std::vector<float> values;

  float& at(std::size_t index) { return values[index]; }
};

Named zeros(std::string name, Shape shape) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  return {std::move(name), std::move(shape), std::vector<float>(count, 0.0F)};
}

ModelDescription describe(std::string kind, std::vector<std::string> labels) {
  ModelDescription model;
  model.source = "test.yaml";
  model.head.kind = std::move(kind);
  model.head.score_threshold = 0.5F;
  model.labels = std::move(labels);
  model.input.width_px = 32;
  model.input.height_px = 16;
  return model;
}

ModelDescription describe_centernet(std::vector<std::string> labels) {
  ModelDescription model = describe("centernet", std::move(labels));
  model.head.outputs = {{"heatmap", "h"}, {"scale", "s"}, {"offset", "o"}};
  return model;
}

/// Model pixels are frame pixels here.
Result<std::vector<Detection>> detect(const ModelDescription& model, const std::vector<Named>& tensors) {
  std::vector<TensorView> views;
  std::vector<TensorInfo> infos;
  for (const Named& tensor : tensors) {
    views.push_back({tensor.values.data(), DType::kFloat32, tensor.shape, Place::kHost});
    TensorInfo info;
    info.name = tensor.name;
    info.shape = tensor.shape;
    infos.push_back(std::move(info));
  }
  return postprocess(views, infos, model, Placement{}, model.input.width_px, model.input.height_px);
}

void check_box(const Detection& detection, const std::array<float, 4>& expected) {
  for (std::size_t edge = 0; edge < 4; ++edge) CHECK(detection.box[edge] == doctest::Approx(expected[edge]));
}

/// 4 rows of 8 cells for the 32x16 input with stride 4.
std::vector<Named> centernet_grid(std::int64_t labels) {
  return {zeros("h", {1, labels, 4, 8}), zeros("s", {1, 2, 4, 8}), zeros("o", {1, 2, 4, 8})};
}

constexpr std::size_t kCells = 32;
constexpr std::size_t kRow2Column3 = 2 * 8 + 3;

}  // namespace

TEST_CASE("centernet: a cell's centre, offset (y, x) and log size (h, w) make the box") {
  std::vector<Named> grid = centernet_grid(1);
  grid[0].at(kRow2Column3) = 0.9F;
  grid[1].at(kRow2Column3) = std::log(1.5F);           // height 6 px
  grid[1].at(kCells + kRow2Column3) = std::log(2.0F);  // width 8 px
  grid[2].at(kRow2Column3) = 0.25F;                    // centre y (2 + 0.25 + 0.5) * 4 = 11
  grid[2].at(kCells + kRow2Column3) = -0.25F;          // centre x (3 - 0.25 + 0.5) * 4 = 13
  const auto found = detect(describe_centernet({"face"}), grid);
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK(found->front().label == 0);
  CHECK(found->front().score == 0.9F);
  check_box(found->front(), {9.0F, 8.0F, 17.0F, 14.0F});
}

TEST_CASE("centernet: each label has its own heatmap plane") {
  std::vector<Named> grid = centernet_grid(3);
  grid[0].at(2 * kCells + kRow2Column3) = 0.7F;
  const auto found = detect(describe_centernet({"a", "b", "c"}), grid);
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK(found->front().label == 2);
}

TEST_CASE("centernet: below the threshold is nothing, at the threshold is a box, NaN is nothing") {
  std::vector<Named> grid = centernet_grid(1);
  grid[0].at(0) = 0.4999F;
  grid[0].at(3) = std::numeric_limits<float>::quiet_NaN();
  grid[0].at(kRow2Column3) = 0.5F;
  const auto found = detect(describe_centernet({"face"}), grid);
  REQUIRE(found.ok());
  CHECK(found->size() == 1);
}

TEST_CASE("centernet: label count, grid size and scale planes are checked against the tensors") {
  const auto refused = [](const ModelDescription& model, const std::vector<Named>& grid) {
    const auto found = detect(model, grid);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == Code::kInvalidArgument);
    return found.error().message;
  };
  CHECK(refused(describe_centernet({"a", "b"}), centernet_grid(1)) ==
        "test.yaml: output 'h' is 1x1x4x8, but a centernet head with 2 labels needs 1x2x4x8 (input size / head.stride)");

  ModelDescription other_stride = describe_centernet({"face"});
  other_stride.head.stride = 8;
  CHECK(refused(other_stride, centernet_grid(1)).find("needs 1x1x2x4") != std::string::npos);

  std::vector<Named> one_plane = centernet_grid(1);
  one_plane[1] = zeros("s", {1, 1, 4, 8});
  CHECK(refused(describe_centernet({"face"}), one_plane).find("output 's' is 1x1x4x8") != std::string::npos);
}

TEST_CASE("yolov5: rows of centre, size, objectness and classes; score is objectness times class") {
  Named rows = zeros("out", {1, 3, 7});
  rows.values = {10, 8, 4, 6, 0.9F, 0.2F, 0.8F,   // label 1, 0.72
                 20, 4, 2, 2, 0.6F, 0.7F, 0.1F,   // 0.42: too low
                 4,  4, 2, 2, 0.3F, 1.0F, 1.0F};  // objectness too low
  const auto found = detect(describe("yolov5", {"a", "b"}), {rows});
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK(found->front().label == 1);
  CHECK(found->front().score == doctest::Approx(0.72F));
  check_box(found->front(), {8.0F, 5.0F, 12.0F, 11.0F});
}

TEST_CASE("yolov8: columns of centre, size and classes, without objectness") {
  Named columns = zeros("out", {1, 6, 2});
  columns.values = {10, 20,       // centre x of anchors 0 and 1
                    8,  4,        // centre y
                    4,  2,        // width
                    6,  2,        // height
                    0.1F, 0.6F,   // label 0
                    0.3F, 0.6F};  // label 1
  const auto found = detect(describe("yolov8", {"a", "b"}), {columns});
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK(found->front().label == 0);  // of equal scores the lower label
  CHECK(found->front().score == 0.6F);
  check_box(found->front(), {19.0F, 3.0F, 21.0F, 5.0F});
}

TEST_CASE("yolo heads: another label count or the other export's layout is refused with a hint") {
  const auto v5 = detect(describe("yolov5", {"a", "b"}), {zeros("out", {1, 6, 9})});
  REQUIRE_FALSE(v5.ok());
  CHECK(v5.error().message ==
        "test.yaml: output 'out' is 1x6x9, but a yolov5 head with 2 labels needs 1xNx7 (box, objectness, classes)");
  CHECK(v5.error().hint.find("yolov8") != std::string::npos);

  const auto v8 = detect(describe("yolov8", {"a"}), {zeros("out", {1, 9, 6})});
  REQUIRE_FALSE(v8.ok());
  CHECK(v8.error().message.find("with 1 label needs 1x5xN") != std::string::npos);
  CHECK(v8.error().hint.find("yolov5") != std::string::npos);

  CHECK_FALSE(detect(describe("yolov8", {"a"}), {zeros("out", {5, 6})}).ok());
}

TEST_CASE("a head with one role takes the model's only output, and asks for a name when there are two") {
  const ModelDescription model = describe("yolov8", {"a"});
  CHECK(detect(model, {zeros("anything", {1, 5, 3})}).ok());
  const auto two = detect(model, {zeros("p", {1, 5, 3}), zeros("q", {1, 5, 3})});
  REQUIRE_FALSE(two.ok());
  CHECK(two.error().message == "test.yaml: head.outputs.boxes: missing");
  CHECK(two.error().hint == "its outputs are p, q");
}

TEST_CASE("an output that the model lacks, and outputs that heads can't read") {
  ModelDescription model = describe("yolov8", {"a"});
  model.head.outputs = {{"boxes", "output1"}};
  const auto missing = detect(model, {zeros("output0", {1, 5, 3})});
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message == "test.yaml: head.outputs.boxes: the model has no output named 'output1'");

  const std::vector<std::int8_t> bytes(15);
  TensorInfo info;
  info.name = "output1";
  const auto quantised = postprocess({{bytes.data(), DType::kInt8, {1, 5, 3}, Place::kHost}}, {info}, model,
                                     Placement{}, 32, 16);
  REQUIRE_FALSE(quantised.ok());
  CHECK(quantised.error().code == Code::kUnsupported);
}

TEST_CASE("descriptions filled in by hand are refused where a decoder would read beyond its tensor") {
  CHECK_FALSE(detect(describe("yolov8", {}), {zeros("out", {1, 4, 3})}).ok());
  CHECK_FALSE(detect(describe("yolo8", {"a"}), {zeros("out", {1, 5, 3})}).ok());
  ModelDescription model = describe_centernet({"face"});
  model.head.stride = 0;
  CHECK_FALSE(detect(model, centernet_grid(1)).ok());
}

TEST_CASE("every head that is listed has roles, and nothing else has") {
  for (const std::string& kind : head_kinds()) CHECK_FALSE(head_roles(kind).empty());
  CHECK(head_roles("centernet") == std::vector<std::string>{"heatmap", "scale", "offset"});
  CHECK(head_roles("nonesuch").empty());
}
