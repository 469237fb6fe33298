// The picture work of the stand-in for libbmcv, written anew in floating point: it shares no line with what is compared
// with it. How VPP itself rounds, and where it takes chroma to lie, is not known here.

#include <algorithm>
#include <cmath>

#include "images.h"

namespace stub {
namespace {

struct Component {
  int plane;
  int offset;
  int step;
  int width;
  int height;
};

Component component_of(const bm::Image& image, int index) {
  const bool is_chroma = index > 0;
  const int half_width = (image.width + 1) / 2;
  const int half_height = (image.height + 1) / 2;
  switch (image.format) {
    case bm::kNv12:
      if (is_chroma) return {1, index - 1, 2, half_width, half_height};
      return {0, 0, 1, image.width, image.height};
    case bm::kYuv420Planar:
      if (is_chroma) return {index, 0, 1, half_width, half_height};
      return {0, 0, 1, image.width, image.height};
    default: return {index, 0, 1, image.width, image.height};
  }
}

std::uint8_t level(double value) { return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))); }

/// BT.601 and BT.709 by their Kr and Kb.
std::array<double, 3> to_rgb(double y, double u, double v, bm::ColorConversion conversion) {
  const bool is_709 = conversion == bm::kLimitedBt709ToRgb || conversion == bm::kFullBt709ToRgb;
  const bool is_limited = conversion == bm::kLimitedBt601ToRgb || conversion == bm::kLimitedBt709ToRgb;
  const double red = is_709 ? 0.2126 : 0.299;
  const double blue = is_709 ? 0.0722 : 0.114;
  const double luma = is_limited ? (y - 16) * 255 / 219 : y;
  const double cb = (u - 128) * (is_limited ? 255.0 / 224 : 1);
  const double cr = (v - 128) * (is_limited ? 255.0 / 224 : 1);
  const double r = luma + 2 * (1 - red) * cr;
  const double b = luma + 2 * (1 - blue) * cb;
  return {r, (luma - red * r - blue * b) / (1 - red - blue), b};
}

}  // namespace

double sample(const bm::Image& image, int index, double x, double y) {
  const bm::ImagePrivate& owner = known(image);
  const Component part = component_of(image, index);
  const auto at = [&](int column, int row) {
    const auto plane = static_cast<std::size_t>(part.plane);
    const auto* bytes = bytes_at(owner.planes[plane].address);
    const std::ptrdiff_t offset = std::ptrdiff_t{row} * owner.strides[plane] + std::ptrdiff_t{column} * part.step;
    return static_cast<double>(bytes[offset + part.offset]);
  };
  const double column = std::clamp(x, 0.0, part.width - 1.0);
  const double row = std::clamp(y, 0.0, part.height - 1.0);
  const int left = static_cast<int>(column);
  const int top = static_cast<int>(row);
  const int right = std::min(left + 1, part.width - 1);
  const int below = std::min(top + 1, part.height - 1);
  const double across = column - left;
  const double down = row - top;
  return (at(left, top) * (1 - across) + at(right, top) * across) * (1 - down) +
         (at(left, below) * (1 - across) + at(right, below) * across) * down;
}

void draw(const bm::Image& from, const bm::Image& to, const bm::Padding& padding, bm::ColorConversion conversion) {
  const bm::ImagePrivate& target = known(to);
  const std::ptrdiff_t stride = target.strides[0];
  auto* const bytes = bytes_at(target.planes[0].address);
  const auto put = [&](int channel, int x, int y, std::uint8_t value) {
    const int plane = to.format == bm::kBgrPlanar ? 2 - channel : channel;
    bytes[(std::ptrdiff_t{plane} * to.height + y) * stride + x] = value;
  };
  const std::uint8_t around[] = {padding.red, padding.green, padding.blue};
  for (int channel = 0; padding.fills != 0 && channel < 3; ++channel) {
    for (int y = 0; y < to.height; ++y) {
      for (int x = 0; x < to.width; ++x) put(channel, x, y, around[channel]);
    }
  }
  const bool is_halved = from.format == bm::kNv12 || from.format == bm::kYuv420Planar;
  for (int y = 0; y < static_cast<int>(padding.height); ++y) {
    for (int x = 0; x < static_cast<int>(padding.width); ++x) {
      const double column = (x + 0.5) * from.width / padding.width - 0.5;
      const double row = (y + 0.5) * from.height / padding.height - 0.5;
      const double chroma_column = is_halved ? (column - 0.5) / 2 : column;
      const double chroma_row = is_halved ? (row - 0.5) / 2 : row;
      const auto rgb = to_rgb(sample(from, 0, column, row), sample(from, 1, chroma_column, chroma_row),
                              sample(from, 2, chroma_column, chroma_row), conversion);
      for (int channel = 0; channel < 3; ++channel) {
        put(channel, x + static_cast<int>(padding.left), y + static_cast<int>(padding.top),
            level(rgb[static_cast<std::size_t>(channel)]));
      }
    }
  }
}

}  // namespace stub
