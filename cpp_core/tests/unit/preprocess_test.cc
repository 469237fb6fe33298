#include "edgecore/preprocess.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "pictures.h"

using namespace edgecore;
using namespace edgecore::test;

namespace {

InputDescription model_input(std::int32_t width_px, std::int32_t height_px) {
  InputDescription input;
  input.width_px = width_px;
  input.height_px = height_px;
  return input;
}

TensorBuffer tensor_for(const InputDescription& input) {
  return input.layout == Layout::kNchw ? TensorBuffer(DType::kFloat32, {1, 3, input.height_px, input.width_px})
                                       : TensorBuffer(DType::kFloat32, {1, input.height_px, input.width_px, 3});
}

/// The textbook definition in double precision, sharing no code with what it checks: bilinear at `x`, `y`
/// in luma pixels (sample centres at whole numbers), edges repeated.
double sample_at(const Frame& frame, int index, double x, double y) {
  const Component plane = component(frame, index);
  if (index > 0 && frame.chroma_shift_x == 1) x = (x - (frame.siting == ChromaSiting::kCenter ? 0.5 : 0.0)) / 2.0;
  if (index > 0 && frame.chroma_shift_y == 1) y = (y - 0.5) / 2.0;
  x = std::clamp(x, 0.0, plane.width_px - 1.0);
  y = std::clamp(y, 0.0, plane.height_px - 1.0);
  const auto x0 = static_cast<std::int32_t>(x), y0 = static_cast<std::int32_t>(y);
  const auto read = [&](std::int32_t column, std::int32_t row) {
    return static_cast<double>(plane.row(std::min(row, plane.height_px - 1))[std::min(column, plane.width_px - 1) * plane.step]);
  };
  const double right = x - x0, down = y - y0;
  return (read(x0, y0) * (1 - right) + read(x0 + 1, y0) * right) * (1 - down) +
         (read(x0, y0 + 1) * (1 - right) + read(x0 + 1, y0 + 1) * right) * down;
}

std::array<double, 3> rgb_at(const Frame& frame, double x, double y) {
  const bool gray = frame.layout == PixelLayout::kGray, limited = frame.range == ColorRange::kLimited;
  const double luma = limited ? (sample_at(frame, 0, x, y) - 16) * 255 / 219 : sample_at(frame, 0, x, y);
  const double gain = limited ? 255.0 / 224.0 : 1.0;
  const double cb = gray ? 0 : (sample_at(frame, 1, x, y) - 128) * gain;
  const double cr = gray ? 0 : (sample_at(frame, 2, x, y) - 128) * gain;
  // The usual decimal tables of the two recommendations.
  const std::array<double, 3> rgb = frame.matrix == ColorMatrix::kBt601
      ? std::array{luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb}
      : std::array{luma + 1.5748 * cr, luma - 0.187324 * cb - 0.468124 * cr, luma + 1.8556 * cb};
  return {std::clamp(rgb[0], 0.0, 255.0), std::clamp(rgb[1], 0.0, 255.0), std::clamp(rgb[2], 0.0, 255.0)};
}

/// Largest difference, in levels, between an NCHW RGB tensor of levels and the definition, bars included.
double worst_error(const Frame& frame, const InputDescription& input, const Placement& at, TensorBuffer& tensor) {
  double worst = 0;
  for (std::int32_t y = 0; y < input.height_px; ++y) {
    for (std::int32_t x = 0; x < input.width_px; ++x) {
      const std::int32_t px = x - at.offset_x_px, py = y - at.offset_y_px;
      const bool bar = px < 0 || px >= at.width_px || py < 0 || py >= at.height_px;
      const std::array<double, 3> expected =
          bar ? std::array<double, 3>{double(input.pad), double(input.pad), double(input.pad)}
              : rgb_at(frame, (px + 0.5) * frame.width_px / at.width_px - 0.5,
                       (py + 0.5) * frame.height_px / at.height_px - 0.5);
      for (std::int32_t c = 0; c < 3; ++c) {
        const float level = tensor.floats()[(c * input.height_px + y) * input.width_px + x];
        worst = std::max(worst, std::abs(static_cast<double>(level) - expected[static_cast<std::size_t>(c)]));
      }
    }
  }
  return worst;
}

std::uint64_t tensor_digest(const TensorBuffer& tensor) {
  const auto* bytes = static_cast<const std::uint8_t*>(tensor.data());
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t at = 0; at < tensor.size_bytes(); ++at) hash = (hash ^ bytes[at]) * 0x100000001b3;
  return hash;
}

struct Size {
  std::int32_t frame_w, frame_h, input_w, input_h;
};

}  // namespace

TEST_CASE("every kind of frame agrees with the definition to one level") {
  std::vector<Look> looks;
  for (const auto layout : {PixelLayout::kPlanar, PixelLayout::kSemiPlanar, PixelLayout::kGray})
    for (const std::uint8_t shift_x : {std::uint8_t{0}, std::uint8_t{1}})
      for (const std::uint8_t shift_y : {std::uint8_t{0}, std::uint8_t{1}})
        for (const auto matrix : {ColorMatrix::kBt601, ColorMatrix::kBt709})
          for (const auto range : {ColorRange::kLimited, ColorRange::kFull})
            for (const auto siting : {ChromaSiting::kLeft, ChromaSiting::kCenter})
              looks.push_back({layout, shift_x, shift_y, matrix, range, siting});
  // Down, up, same size, odd sizes, one pixel, tall in wide.
  const Size sizes[] = {{64, 36, 32, 32}, {20, 12, 48, 40}, {24, 16, 24, 16}, {33, 17, 16, 21},
                        {1, 1, 5, 3},     {17, 61, 40, 24}, {3, 2, 1, 1}};
  for (const Size& size : sizes) {
    std::uint32_t seed = 1;
    for (const Look& look : looks) {
      for (const Fit fit : {Fit::kLetterbox, Fit::kStretch}) {
        const Frame frame = noise(size.frame_w, size.frame_h, look, seed++);
        InputDescription input = model_input(size.input_w, size.input_h);
        input.fit = fit;
        input.pad = 114;
        TensorBuffer tensor = tensor_for(input);
        const Result<Placement> placement = preprocess(frame, input, tensor);
        REQUIRE(placement.ok());
        // Half a level for rounding, a tenth for the fixed-point weights and gains.
        CHECK(worst_error(frame, input, *placement, tensor) <= 0.6);
      }
    }
  }
}

TEST_CASE("layout and colour order only move values; mean and scale are per channel") {
  const Frame frame = landscape(40, 30, {});
  InputDescription input = model_input(20, 20);
  TensorBuffer plain = tensor_for(input);
  REQUIRE(preprocess(frame, input, plain).ok());

  input.layout = Layout::kNhwc;
  input.order = ColorOrder::kBgr;
  input.mean = {1.0F, 20.0F, 127.5F};
  input.scale = {0.5F, 1.0F / 255.0F, 2.0F};
  TensorBuffer moved = tensor_for(input);
  REQUIRE(preprocess(frame, input, moved).ok());
  for (std::size_t pixel = 0; pixel < 400; ++pixel) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const float level = plain.floats()[(2 - channel) * 400 + pixel];
      REQUIRE(moved.floats()[pixel * 3 + channel] == (level - input.mean[channel]) * input.scale[channel]);
    }
  }
}

TEST_CASE("black, white and the primaries come out as they went in") {
  struct Known { int y, u, v; std::array<float, 3> rgb; };
  // 8-bit BT.601 limited codes of full-scale colours. Source: EBU/SMPTE 100 % bars.
  const Known known[] = {{16, 128, 128, {0, 0, 0}}, {235, 128, 128, {255, 255, 255}}, {81, 90, 240, {254, 0, 0}},
                         {145, 54, 34, {0, 255, 1}}, {41, 240, 110, {0, 0, 255}}, {0, 128, 128, {0, 0, 0}}};
  for (const Known& colour : known) {
    const Frame frame = make_frame(8, 8, {}, [&](int index, std::int32_t, std::int32_t) {
      return index == 0 ? colour.y : index == 1 ? colour.u : colour.v;
    });
    InputDescription input = model_input(4, 4);
    TensorBuffer tensor = tensor_for(input);
    REQUIRE(preprocess(frame, input, tensor).ok());
    for (std::size_t channel = 0; channel < 3; ++channel) {
      CHECK(tensor.floats()[channel * 16 + 5] == doctest::Approx(colour.rgb[channel]).epsilon(0.005));
    }
  }
}

TEST_CASE("the same bits on every CPU") {
  // Made by this code on x86-64; a change here means that results of an upgraded box differ from before.
  struct Golden { Look look; Size size; Layout layout; std::uint64_t digest; };
  Look nv12_709{PixelLayout::kSemiPlanar, 1, 1, ColorMatrix::kBt709, ColorRange::kLimited, ChromaSiting::kLeft};
  Look jpeg{PixelLayout::kPlanar, 1, 0, ColorMatrix::kBt601, ColorRange::kFull, ChromaSiting::kCenter};
  const Golden goldens[] = {
      {{}, {640, 272, 320, 224}, Layout::kNchw, 0x7c4ced886feb4dc5},
      {nv12_709, {1281, 719, 416, 416}, Layout::kNhwc, 0x3021502d0216e0b0},
      {jpeg, {99, 77, 256, 128}, Layout::kNchw, 0x230aeb190e4e83cb},
  };
  for (const Golden& golden : goldens) {
    InputDescription input = model_input(golden.size.input_w, golden.size.input_h);
    input.layout = golden.layout;
    input.pad = 114;
    input.mean = {123.675F, 116.28F, 103.53F};
    input.scale = {0.01712475F, 0.017507F, 0.01742919F};
    TensorBuffer tensor = tensor_for(input);
    REQUIRE(preprocess(landscape(golden.size.frame_w, golden.size.frame_h, golden.look), input, tensor).ok());
    CHECK(tensor_digest(tensor) == golden.digest);
  }
}

TEST_CASE("letterbox keeps the ratio, centres, and maps back to where it came from") {
  const Placement wide = plan_placement(640, 272, model_input(320, 224));
  CHECK(wide.width_px == 320);
  CHECK(wide.height_px == 136);
  CHECK(wide.offset_x_px == 0);
  CHECK(wide.offset_y_px == 44);
  CHECK(wide.to_frame_x(160.0F) == 320.0F);
  CHECK(wide.to_frame_y(44.0F) == 0.0F);
  CHECK(wide.to_frame_y(180.0F) == 272.0F);

  const Placement tall = plan_placement(1080, 1920, model_input(640, 640));
  CHECK(tall.width_px == 360);
  CHECK(tall.height_px == 640);
  CHECK(tall.offset_x_px == 140);

  CHECK(plan_placement(10000, 3, model_input(32, 32)).height_px == 1);

  InputDescription stretch = model_input(300, 100);
  stretch.fit = Fit::kStretch;
  const Placement filled = plan_placement(600, 400, stretch);
  CHECK(filled.width_px == 300);
  CHECK(filled.height_px == 100);
  CHECK(filled.to_frame_x(300.0F) == 600.0F);
  CHECK(filled.to_frame_y(100.0F) == 400.0F);
}

TEST_CASE("a tensor of another shape or type, or a frame out of reach, is refused") {
  const InputDescription input = model_input(20, 10);
  Frame frame = landscape(40, 30, {});
  TensorBuffer swapped(DType::kFloat32, {1, 3, 20, 10}), bytes(DType::kUInt8, {1, 3, 10, 20}), right = tensor_for(input);

  const Result<Placement> wrong_shape = preprocess(frame, input, swapped);
  REQUIRE(!wrong_shape.ok());
  CHECK(wrong_shape.error().code == Code::kInvalidArgument);
  CHECK(wrong_shape.error().message.find("1x3x20x10, expected float32 1x3x10x20") != std::string::npos);
  REQUIRE(!preprocess(frame, input, bytes).ok());

  frame.place = Place::kDevice;
  const Result<Placement> far = preprocess(frame, input, right);
  REQUIRE(!far.ok());
  CHECK(far.error().code == Code::kUnsupported);
}
