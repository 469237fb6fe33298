// Row by row: blend two rows of the frame (vertical), resample the blended row (horizontal), turn it into
// RGB, look each level up in a float table. All four are integer loops over one row, without a branch
// in them; the vertical pass comes first because pictures are nearly always made smaller.
//
// Definition, for whoever has to reproduce the bits:
//   position  of output pixel x in a component, in 1/16384 sample, rounded half up, clamped to the samples:
//             ((2x+1) * frame / picture - 1 - shift) / (2 * subsampling), shift = 1 for chroma between two
//             luma samples, else 0
//   vertical  a row of 8.6 fixed point, rounded half up;  horizontal  the same, from those rows
//   RGB       gains with 13 fractional bits, sum rounded half up, clamped to 0..255
//   value     (float(level) - mean) * scale, in float
#include "edgecore/preprocess.h"

#include <algorithm>
#include <array>
#include <vector>

#include "color.h"
#include "component.h"

namespace edgecore {
namespace {

constexpr int kWeightBits = 14;  // all operands of a product fit int16, which every SIMD unit multiplies fast
constexpr int kSampleBits = 6;
constexpr int kGainBits = 13;

using Row = std::vector<std::int16_t>;

/// Where one output pixel lies between two samples.
struct Tap {
  std::int32_t first = 0;   // the second is first + 1
  std::int32_t weight = 0;  // of the second sample, 0..2^14-1; 0 at the last sample
};

/// One axis of one component. picture: output pixels; frame: luma samples; samples: of the component.
std::vector<Tap> plan_taps(std::int32_t picture, std::int32_t frame, std::int32_t samples, int shift, bool between) {
  const std::int64_t unit = std::int64_t{1} << kWeightBits;
  const std::int64_t divisor = static_cast<std::int64_t>(2 * picture) << shift;
  const std::int64_t last = static_cast<std::int64_t>(samples - 1) * unit;
  std::vector<Tap> taps(static_cast<std::size_t>(picture));
  std::int64_t odd = 1;  // 2x + 1
  for (Tap& tap : taps) {
    const std::int64_t dividend = odd * frame - picture - (between ? picture : 0);
    const std::int64_t rounded = (std::max<std::int64_t>(dividend, 0) * unit * 2 + divisor) / (2 * divisor);
    const std::int64_t position = std::min(rounded, last);
    tap = {static_cast<std::int32_t>(position / unit), static_cast<std::int32_t>(position % unit)};
    odd += 2;
  }
  return taps;
}

template <int kStep>
void blend_rows(const std::uint8_t* above, const std::uint8_t* below, std::int32_t weight, std::int32_t width,
                std::int16_t* __restrict out) noexcept {
  constexpr int kDrop = kWeightBits - kSampleBits;
  const auto w = static_cast<std::int16_t>(weight);
  for (std::int32_t x = 0; x < width; ++x) {
    const auto difference = static_cast<std::int16_t>(below[x * kStep] - above[x * kStep]);
    const int blended = (difference * w + (1 << (kDrop - 1))) >> kDrop;
    out[x] = static_cast<std::int16_t>((above[x * kStep] << kSampleBits) + blended);
  }
}

void resample_row(const std::int16_t* row, const std::vector<Tap>& taps, std::int16_t* __restrict out) noexcept {
  for (std::size_t x = 0; x < taps.size(); ++x) {
    const int first = row[taps[x].first];
    const int second = row[taps[x].first + 1];
    const int blended = ((second - first) * taps[x].weight + (1 << (kWeightBits - 1))) >> kWeightBits;
    out[x] = static_cast<std::int16_t>(first + blended);
  }
}

/// Gives the rows of one component at the picture's size.
class ComponentScaler {
 public:
  ComponentScaler(const Frame& frame, int index, const Placement& placement)
      : samples_(component(frame, index)),
        blended_(static_cast<std::size_t>(samples_.width_px) + 1) {
    const int shift_x = index == 0 ? 0 : frame.chroma_shift_x;
    const int shift_y = index == 0 ? 0 : frame.chroma_shift_y;
    const bool between_x = shift_x == 1 && frame.siting == ChromaSiting::kCenter;
    columns_ = plan_taps(placement.width_px, frame.width_px, samples_.width_px, shift_x, between_x);
    rows_ = plan_taps(placement.height_px, frame.height_px, samples_.height_px, shift_y, shift_y == 1);
  }

  void read_row(std::int32_t y, std::int16_t* out) {
    const Tap tap = rows_[static_cast<std::size_t>(y)];
    const std::uint8_t* above = samples_.row(tap.first);
    const std::uint8_t* below = samples_.row(std::min(tap.first + 1, samples_.height_px - 1));
    const auto blend = samples_.step == 1 ? blend_rows<1> : blend_rows<2>;
    blend(above, below, tap.weight, samples_.width_px, blended_.data());
    blended_.back() = *(blended_.end() - 2);  // the last sample's neighbour, which has weight 0
    resample_row(blended_.data(), columns_, out);
  }

 private:
  Component samples_;
  Row blended_;
  std::vector<Tap> columns_, rows_;
};

/// rgb_gains() with 13 fractional bits.
struct FixedGains {
  std::int16_t luma, red_v, green_u, green_v, blue_u, black;
};

constexpr std::int16_t to_fixed(double gain) {
  return static_cast<std::int16_t>(gain * (1 << kGainBits) + (gain < 0 ? -0.5 : 0.5));
}

constexpr FixedGains fixed_gains(ColorMatrix matrix, ColorRange range) {
  const RgbGains gains = rgb_gains(matrix, range);
  return {to_fixed(gains.luma),    to_fixed(gains.red_v),  to_fixed(gains.green_u),
          to_fixed(gains.green_v), to_fixed(gains.blue_u), static_cast<std::int16_t>(quantisation(range).black)};
}

// Indexed by matrix and range; made at compile time, so that no CPU's floating point has a say in them.
constexpr FixedGains kGains[2][2] = {
    {fixed_gains(ColorMatrix::kBt601, ColorRange::kLimited), fixed_gains(ColorMatrix::kBt601, ColorRange::kFull)},
    {fixed_gains(ColorMatrix::kBt709, ColorRange::kLimited), fixed_gains(ColorMatrix::kBt709, ColorRange::kFull)},
};

std::uint8_t to_level(int sum) noexcept {
  constexpr int kDrop = kSampleBits + kGainBits;
  return static_cast<std::uint8_t>(std::clamp((sum + (1 << (kDrop - 1))) >> kDrop, 0, 255));
}

void convert_row(const std::int16_t* luma, const std::int16_t* chroma_u, const std::int16_t* chroma_v,
                 const FixedGains& gains, std::int32_t width, std::uint8_t* __restrict red,
                 std::uint8_t* __restrict green, std::uint8_t* __restrict blue) noexcept {
  const FixedGains k = gains;
  for (std::int32_t x = 0; x < width; ++x) {
    const auto y = static_cast<std::int16_t>(luma[x] - (k.black << kSampleBits));
    const auto u = static_cast<std::int16_t>(chroma_u[x] - (kChromaZero << kSampleBits));
    const auto v = static_cast<std::int16_t>(chroma_v[x] - (kChromaZero << kSampleBits));
    red[x] = to_level(k.luma * y + k.red_v * v);
    green[x] = to_level(k.luma * y + k.green_u * u + k.green_v * v);
    blue[x] = to_level(k.luma * y + k.blue_u * u);
  }
}

/// One row of the model's input as levels, R G B; the bars left and right of the picture never change.
struct Levels {
  Levels(std::int32_t width_px, std::uint8_t pad) {
    channels.fill(std::vector<std::uint8_t>(static_cast<std::size_t>(width_px), pad));
  }
  std::array<std::vector<std::uint8_t>, 3> channels;
};

/// Gives the picture's rows as RGB levels.
class PictureReader {
 public:
  PictureReader(const Frame& frame, const Placement& placement)
      : placement_(placement),
        gains_(kGains[static_cast<int>(frame.matrix)][static_cast<int>(frame.range)]) {
    rows_.fill(Row(static_cast<std::size_t>(placement.width_px), kChromaZero << kSampleBits));  // gray: no colour
    for (int index = 0; index < component_count(frame); ++index) scalers_.emplace_back(frame, index, placement);
  }

  /// y: from the picture's top.
  void read_row(std::int32_t y, Levels& out) {
    for (std::size_t index = 0; index < scalers_.size(); ++index) scalers_[index].read_row(y, rows_[index].data());
    auto& [red, green, blue] = out.channels;
    const std::int32_t left = placement_.offset_x_px;
    convert_row(rows_[0].data(), rows_[1].data(), rows_[2].data(), gains_, placement_.width_px, red.data() + left,
                green.data() + left, blue.data() + left);
  }

 private:
  Placement placement_;
  FixedGains gains_;
  std::vector<ComponentScaler> scalers_;
  std::array<Row, 3> rows_;
};

/// Writes rows of levels as the model wants them: order, layout, mean and scale.
class TensorWriter {
 public:
  TensorWriter(const InputDescription& input, float* data) noexcept : data_(data), width_px_(input.width_px) {
    const std::ptrdiff_t plane = static_cast<std::ptrdiff_t>(input.width_px) * input.height_px;
    const bool planar = input.layout == Layout::kNchw;
    pixel_step_ = planar ? 1 : 3;
    channel_step_ = planar ? plane : 1;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      source_[channel] = input.order == ColorOrder::kRgb ? channel : 2 - channel;
      for (std::size_t level = 0; level < 256; ++level) {
        tables_[channel][level] = (static_cast<float>(level) - input.mean[channel]) * input.scale[channel];
      }
    }
  }

  void write_row(std::int32_t y, const Levels& levels) noexcept {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      float* out = data_ + static_cast<std::ptrdiff_t>(channel) * channel_step_ + y * pixel_step_ * width_px_;
      const float* table = tables_[channel].data();
      for (const std::uint8_t level : levels.channels[source_[channel]]) {
        *out = table[level];
        out += pixel_step_;
      }
    }
  }

 private:
  float* data_;
  std::ptrdiff_t width_px_, pixel_step_, channel_step_;
  std::array<std::size_t, 3> source_{};
  std::array<std::array<float, 256>, 3> tables_{};
};

Status check_size(const InputDescription& input) {
  if (input.width_px <= 0 || input.height_px <= 0) {
    return Error{Code::kInvalidArgument, "model input: size " + std::to_string(input.width_px) + "x" +
                                             std::to_string(input.height_px) + ", expected at least 1x1", ""};
  }
  return {};
}

Status check_destination(const InputDescription& input, const TensorBuffer& dst) {
  const Shape expected = shape_of(input);
  if (dst.dtype() != DType::kFloat32 || dst.shape() != expected || dst.data() == nullptr) {
    return Error{Code::kInvalidArgument,
                 std::string("model input: tensor is ") + to_string(dst.dtype()) + " " + to_string(dst.shape()) +
                     ", expected " + to_string(DType::kFloat32) + " " + to_string(expected), ""};
  }
  return {};
}

/// whole * part / total, rounded half up, at least 1.
std::int32_t share(std::int32_t whole, std::int32_t part, std::int32_t total) noexcept {
  const std::int64_t twice = 2 * static_cast<std::int64_t>(whole) * part + total;
  return static_cast<std::int32_t>(std::max<std::int64_t>(twice / (2 * static_cast<std::int64_t>(total)), 1));
}

}  // namespace

Placement plan_placement(std::int32_t frame_width_px, std::int32_t frame_height_px, const InputDescription& input) {
  Placement placement;
  placement.width_px = input.width_px;
  placement.height_px = input.height_px;
  if (input.fit == Fit::kLetterbox) {
    const bool wide = static_cast<std::int64_t>(frame_width_px) * input.height_px >=
                      static_cast<std::int64_t>(frame_height_px) * input.width_px;
    if (wide) {
      placement.height_px = share(input.width_px, frame_height_px, frame_width_px);
    } else {
      placement.width_px = share(input.height_px, frame_width_px, frame_height_px);
    }
  }
  placement.offset_x_px = (input.width_px - placement.width_px) / 2;
  placement.offset_y_px = (input.height_px - placement.height_px) / 2;
  // From the rounded size, not from the ideal ratio: this is where the pixels really went.
  placement.scale_x = static_cast<float>(placement.width_px) / static_cast<float>(frame_width_px);
  placement.scale_y = static_cast<float>(placement.height_px) / static_cast<float>(frame_height_px);
  return placement;
}

Result<Placement> preprocess(const Frame& frame, const InputDescription& input, TensorBuffer& dst) {
  if (Status readable = check_readable(frame); !readable) return readable.error();
  if (Status sized = check_size(input); !sized) return sized.error();
  if (Status fits = check_destination(input, dst); !fits) return fits.error();
  return preprocess(frame, input, dst.floats());
}

Result<Placement> preprocess(const Frame& frame, const InputDescription& input, float* dst) {
  if (Status readable = check_readable(frame); !readable) return readable.error();
  if (Status sized = check_size(input); !sized) return sized.error();
  const Placement placement = plan_placement(frame.width_px, frame.height_px, input);
  PictureReader picture(frame, placement);
  TensorWriter tensor(input, dst);
  Levels row(input.width_px, input.pad);
  const Levels bar(input.width_px, input.pad);
  for (std::int32_t y = 0; y < input.height_px; ++y) {
    const std::int32_t picture_y = y - placement.offset_y_px;
    const bool inside = picture_y >= 0 && picture_y < placement.height_px;
    if (inside) picture.read_row(picture_y, row);
    tensor.write_row(y, inside ? row : bar);
  }
  return placement;
}

}  // namespace edgecore
