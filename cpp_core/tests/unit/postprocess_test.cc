// From model pixels to frame pixels, and which boxes survive suppression.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "edgecore/postprocess.h"

using namespace edgecore;

namespace {

Detection box(float score, float x0, float y0, float x1, float y1, std::int32_t label = 0) {
  return {label, score, {x0, y0, x1, y1}};
}

std::vector<float> scores(const std::vector<Detection>& detections) {
  std::vector<float> all;
  for (const Detection& each : detections) all.push_back(each.score);
  return all;
}

/// One yolov8 anchor with the given centre and size, seen through `placement`.
std::vector<Detection> detect_one(float x, float y, float width, float height, const Placement& placement) {
  ModelDescription model;
  model.head.kind = "yolov8";
  model.labels = {"thing"};
  const std::vector<float> column{x, y, width, height, 0.9F};
  TensorInfo info;
  info.name = "out";
  auto found = postprocess({{column.data(), DType::kFloat32, {1, 5, 1}, Place::kHost}}, {info}, model, placement, 640, 360);
  REQUIRE(found.ok());
  return *std::move(found);
}

/// A 640x360 frame in a 320x320 input: half the size, 70 px of bar above and below.
Placement letterboxed() {
  Placement placement;
  placement.scale_x = placement.scale_y = 0.5F;
  placement.offset_y_px = 70;
  placement.width_px = 320;
  placement.height_px = 180;
  return placement;
}

}  // namespace

TEST_CASE("boxes go back through the letterbox into frame pixels") {
  const auto found = detect_one(100, 120, 20, 10, letterboxed());
  REQUIRE(found.size() == 1);
  CHECK(found[0].box == std::array<float, 4>{180, 90, 220, 110});
}

TEST_CASE("boxes are clipped to the frame; what lies in a bar only is dropped, and so is NaN") {
  const auto clipped = detect_one(0, 75, 20, 20, letterboxed());
  REQUIRE(clipped.size() == 1);
  CHECK(clipped[0].box == std::array<float, 4>{0, 0, 20, 30});
  CHECK(detect_one(100, 30, 20, 20, letterboxed()).empty());
  CHECK(detect_one(std::nanf(""), 120, 20, 10, letterboxed()).empty());
  CHECK(detect_one(100, 120, 0, 10, letterboxed()).empty());
}

TEST_CASE("an infinite size covers the frame rather than breaking the arithmetic") {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto found = detect_one(100, 120, infinity, infinity, letterboxed());
  REQUIRE(found.size() == 1);
  CHECK(found[0].box == std::array<float, 4>{0, 0, 640, 360});
}

TEST_CASE("suppression keeps the better of two that overlap, and both of two labels") {
  // 10x10 boxes shifted by 2: IoU = 80 / 120.
  const Detection best = box(0.9F, 0, 0, 10, 10);
  const Detection shifted = box(0.8F, 2, 0, 12, 10);
  CHECK(scores(non_maximum_suppression({shifted, best}, 0.6F, 10)) == std::vector<float>{0.9F});
  CHECK(scores(non_maximum_suppression({shifted, best}, 0.7F, 10)) == std::vector<float>{0.9F, 0.8F});
  const Detection other_label = box(0.8F, 2, 0, 12, 10, 1);
  CHECK(scores(non_maximum_suppression({other_label, best}, 0.6F, 10)) == std::vector<float>{0.9F, 0.8F});
}

TEST_CASE("suppression: a suppressed box suppresses nobody") {
  const std::vector<Detection> chain{box(0.9F, 0, 0, 10, 10), box(0.8F, 4, 0, 14, 10), box(0.7F, 8, 0, 18, 10)};
  CHECK(scores(non_maximum_suppression(chain, 0.4F, 10)) == std::vector<float>{0.9F, 0.7F});
}

TEST_CASE("suppression: boxes that only touch do not overlap") {
  CHECK(non_maximum_suppression({box(0.9F, 0, 0, 10, 10), box(0.8F, 10, 0, 20, 10)}, 0.0F, 10).size() == 2);
}

TEST_CASE("suppression stops at max_detections, best first") {
  const std::vector<Detection> three{box(0.5F, 0, 0, 1, 1), box(0.7F, 5, 0, 6, 1), box(0.6F, 9, 0, 10, 1)};
  CHECK(scores(non_maximum_suppression(three, 0.5F, 2)) == std::vector<float>{0.7F, 0.6F});
  CHECK(non_maximum_suppression(three, 0.5F, 0).empty());
  CHECK(non_maximum_suppression({}, 0.5F, 10).empty());
}

TEST_CASE("suppression drops what is not finite, wherever it stands") {
  const float nan = std::nanf("");
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<Detection> mixed;
  for (int i = 0; i < 40; ++i) {
    const auto x = static_cast<float>(10 * i);
    mixed.push_back(box(nan, x, 0, x + 5, 5));
    mixed.push_back(box(0.9F, x, nan, x + 5, 5));
    mixed.push_back(box(infinity, x, 0, x + 5, 5));
    mixed.push_back(box(0.5F, x, 0, x + 5, 5));
    mixed.push_back(box(0.9F, x, 0, infinity, 5));
  }
  CHECK(scores(non_maximum_suppression(mixed, 0.5F, 100)) == std::vector<float>(40, 0.5F));
}

TEST_CASE("the order of equal scores is fixed: lower label, then smaller x0, then y0") {
  std::vector<Detection> equal;
  for (std::int32_t label = 0; label < 2; ++label) {
    for (int place = 0; place < 4; ++place) {
      const auto x = static_cast<float>(20 * (place / 2));
      const auto y = static_cast<float>(20 * (place % 2));
      equal.push_back(box(0.5F, x, y, x + 5, y + 5, label));
    }
  }
  const std::vector<Detection> expected = equal;
  std::mt19937 shuffler(7);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(equal.begin(), equal.end(), shuffler);
    const auto kept = non_maximum_suppression(equal, 0.5F, 100);
    REQUIRE(kept.size() == expected.size());
    for (std::size_t at = 0; at < kept.size(); ++at) {
      CHECK(kept[at].label == expected[at].label);
      CHECK(kept[at].box == expected[at].box);
    }
  }
}
