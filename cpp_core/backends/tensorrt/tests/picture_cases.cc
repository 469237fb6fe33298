#include "tests/picture_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "edgecore/preprocess.h"
#include "edgecore/tensor.h"
#include "picture.h"
#include "picture_plan.h"

namespace edgecore::tensorrt {
namespace {

/// xorshift32: the same sequence everywhere.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1U) {
    if (state_ == 0) state_ = 1;
    for (int i = 0; i < 8; ++i) next();
  }
  std::uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  std::int32_t below(std::int32_t count) {
    return static_cast<std::int32_t>(next() % static_cast<std::uint32_t>(count));
  }
  std::int32_t between(std::int32_t low, std::int32_t high) { return low + below(high - low + 1); }

 private:
  std::uint32_t state_;
};

void fill_samples(PictureCase& item, Dice& dice, std::int32_t max_gap) {
  abi::Picture& picture = item.picture;
  std::size_t offsets[3] = {};
  std::size_t total = 0;
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const PlaneSize size = plane_size(picture, plane);
    picture.stride_bytes[plane] = size.row_bytes + dice.between(0, max_gap);
    if (picture.layout == abi::PixelLayout::kSemiPlanar) picture.stride_bytes[plane] += picture.stride_bytes[plane] % 2;
    offsets[plane] = total;
    total += static_cast<std::size_t>(picture.stride_bytes[plane]) * static_cast<std::size_t>(size.rows);
    total += total % 2;
  }
  item.samples.resize(total);
  for (std::uint8_t& sample : item.samples) sample = static_cast<std::uint8_t>(dice.next() >> 8);
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    picture.planes[plane] = item.samples.data() + offsets[plane];
  }
}

}  // namespace

PictureCase make_case(std::uint32_t seed, std::int32_t max_side_px) {
  Dice dice(seed);
  PictureCase item;
  abi::Picture& picture = item.picture;
  picture.width_px = dice.between(1, max_side_px);
  picture.height_px = dice.between(1, max_side_px);
  picture.layout = static_cast<abi::PixelLayout>(dice.below(3));
  picture.chroma_shift_x = dice.below(2);
  picture.chroma_shift_y = dice.below(2);
  picture.matrix = static_cast<abi::ColorMatrix>(dice.below(2));
  picture.range = static_cast<abi::ColorRange>(dice.below(2));
  picture.siting = static_cast<abi::ChromaSiting>(dice.below(2));
  fill_samples(item, dice, 40);

  InputDescription& input = item.input;
  input.width_px = dice.between(1, max_side_px);
  input.height_px = dice.between(1, max_side_px);
  if (dice.below(2) == 0) input.width_px = (input.width_px + 3) / 4 * 4;  // stored 16 bytes at a time
  input.layout = static_cast<Layout>(dice.below(2));
  input.order = static_cast<ColorOrder>(dice.below(2));
  input.fit = static_cast<Fit>(dice.below(2));
  input.pad = static_cast<std::uint8_t>(dice.below(256));
  for (std::size_t channel = 0; channel < 3; ++channel) {
    input.mean[channel] = static_cast<float>(dice.below(2560)) / 10.0F;
    input.scale[channel] = 1.0F / static_cast<float>(dice.between(1, 255));
  }
  return item;
}

PictureCase make_video_case(abi::PixelLayout layout, std::int32_t width_px, std::int32_t height_px,
                            std::int32_t input_width_px, std::int32_t input_height_px) {
  Dice dice(static_cast<std::uint32_t>(width_px + input_width_px));
  PictureCase item;
  item.picture.width_px = width_px;
  item.picture.height_px = height_px;
  item.picture.layout = layout;
  item.picture.matrix = abi::ColorMatrix::kBt709;
  fill_samples(item, dice, 0);
  item.input.width_px = input_width_px;
  item.input.height_px = input_height_px;
  item.input.pad = 114;
  item.input.scale = {1.0F / 255.0F, 1.0F / 255.0F, 1.0F / 255.0F};
  return item;
}

std::string describe(const PictureCase& item) {
  constexpr const char* kLayouts[] = {"planar", "nv12", "gray"};
  const abi::Picture& picture = item.picture;
  char text[200];
  std::snprintf(text, sizeof text, "%dx%d %s chroma 1/%dx1/%d matrix %d range %d siting %d -> %dx%d %s %s %s",
                picture.width_px, picture.height_px, kLayouts[static_cast<int>(picture.layout)],
                1 << picture.chroma_shift_x, 1 << picture.chroma_shift_y, static_cast<int>(picture.matrix),
                static_cast<int>(picture.range), static_cast<int>(picture.siting), item.input.width_px,
                item.input.height_px, item.input.layout == Layout::kNchw ? "NCHW" : "NHWC",
                item.input.order == ColorOrder::kRgb ? "RGB" : "BGR",
                item.input.fit == Fit::kLetterbox ? "letterbox" : "stretch");
  return text;
}

Frame frame_of(const PictureCase& item) {
  Result<Frame> frame = to_frame(item.picture);
  if (frame.ok()) return *std::move(frame);
  std::fprintf(stderr, "%s: %s\n", describe(item).c_str(), frame.error().message.c_str());
  std::abort();
}

abi::PictureInput wish_of(const PictureCase& item) { return to_picture_input(frame_of(item), item.input); }

std::vector<float> prepare_on_cpu(const PictureCase& item) {
  TensorBuffer tensor(DType::kFloat32, shape_of(item.input));
  if (const auto done = preprocess(frame_of(item), item.input, tensor); !done) {
    std::fprintf(stderr, "the core refuses %s: %s\n", describe(item).c_str(), done.error().message.c_str());
    return {};
  }
  return {tensor.floats(), tensor.floats() + tensor.size_bytes() / sizeof(float)};
}

Difference difference(const PictureCase& item, const std::vector<float>& expected, const std::vector<float>& found) {
  Difference sum;
  const std::size_t plane = expected.size() / 3;
  const bool planar = item.input.layout == Layout::kNchw;
  for (std::size_t at = 0; at < expected.size(); ++at) {
    if (std::memcmp(&expected[at], &found[at], sizeof(float)) == 0) continue;
    ++sum.values;
    const std::size_t channel = planar ? at / plane : at % 3;
    const double levels = std::fabs((expected[at] - found[at]) / item.input.scale[channel]);
    sum.max_levels = std::max(sum.max_levels, std::isnan(levels) ? std::numeric_limits<double>::infinity() : levels);
  }
  return sum;
}

}  // namespace edgecore::tensorrt
