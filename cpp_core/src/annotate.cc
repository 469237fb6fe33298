// Boxes and labels on a copy of the frame, as JPEG. Not a hot path: written for a person's eye.
#include "edgecore/jpeg.h"

#if EDGECORE_WITH_JPEG

#include <turbojpeg.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>

#include "color.h"
#include "component.h"
#include "font.h"

namespace edgecore {
namespace {

namespace fs = std::filesystem;

constexpr int kQuality = 90;

using Pixel = std::array<std::uint8_t, 3>;  // Y, Cb, Cr as JFIF defines them: BT.601, full range

/// One colour per label, in turn, and black for the text on it.
constexpr Pixel kPalette[] = {{180, 60, 60},  {170, 40, 160}, {150, 170, 90},
                              {190, 70, 170}, {160, 120, 200}, {200, 110, 110}};
constexpr Pixel kTextColor{0, 128, 128};

/// 4:4:4, so that thin coloured lines keep their colour.
class Canvas {
 public:
  Canvas(std::int32_t width_px, std::int32_t height_px) : width_px_(width_px), height_px_(height_px) {
    const auto area = static_cast<std::size_t>(width_px) * static_cast<std::size_t>(height_px);
    for (auto& plane : planes_) plane.resize(area);
  }

  std::int32_t width_px() const noexcept { return width_px_; }
  std::int32_t height_px() const noexcept { return height_px_; }
  const std::uint8_t* plane(std::size_t index) const noexcept { return planes_[index].data(); }

  void set(std::int32_t x, std::int32_t y, const Pixel& pixel) noexcept {
    const std::size_t at = static_cast<std::size_t>(y) * static_cast<std::size_t>(width_px_) + static_cast<std::size_t>(x);
    for (std::size_t index = 0; index < 3; ++index) planes_[index][at] = pixel[index];
  }

  /// x1 and y1 are outside; what lies beyond the picture is left out.
  void fill(std::int32_t x0, std::int32_t y0, std::int32_t x1, std::int32_t y1, const Pixel& pixel) noexcept {
    for (std::int32_t y = std::max(y0, 0); y < std::min(y1, height_px_); ++y) {
      for (std::int32_t x = std::max(x0, 0); x < std::min(x1, width_px_); ++x) set(x, y, pixel);
    }
  }

 private:
  std::int32_t width_px_, height_px_;
  std::array<std::vector<std::uint8_t>, 3> planes_;
};

/// From the frame's own matrix and range to JFIF's, through RGB.
class JfifConverter {
 public:
  JfifConverter(ColorMatrix matrix, ColorRange range) noexcept
      : gains_(rgb_gains(matrix, range)), black_(quantisation(range).black) {}

  Pixel operator()(int luma, int chroma_u, int chroma_v) const noexcept {
    const double y = gains_.luma * (luma - black_);
    const double red = clip(y + gains_.red_v * (chroma_v - kChromaZero));
    const double green = clip(y + gains_.green_u * (chroma_u - kChromaZero) + gains_.green_v * (chroma_v - kChromaZero));
    const double blue = clip(y + gains_.blue_u * (chroma_u - kChromaZero));
    constexpr LumaShares kShares = luma_shares(ColorMatrix::kBt601);
    const double out = kShares.red * red + kShares.green() * green + kShares.blue * blue;
    return {level(out), level(kChromaZero + (blue - out) / (2.0 * (1.0 - kShares.blue))),
            level(kChromaZero + (red - out) / (2.0 * (1.0 - kShares.red)))};
  }

 private:
  static double clip(double value) noexcept { return std::clamp(value, 0.0, 255.0); }
  static std::uint8_t level(double value) noexcept { return static_cast<std::uint8_t>(clip(value) + 0.5); }

  RgbGains gains_;
  int black_;
};

Canvas to_canvas(const Frame& frame) {
  const bool gray = frame.layout == PixelLayout::kGray;
  const bool jfif = frame.matrix == ColorMatrix::kBt601 && frame.range == ColorRange::kFull;
  const JfifConverter convert(frame.matrix, frame.range);
  const Component luma = component(frame, 0);
  const Component chroma_u = gray ? luma : component(frame, 1);
  const Component chroma_v = gray ? luma : component(frame, 2);
  Canvas canvas(frame.width_px, frame.height_px);
  for (std::int32_t y = 0; y < frame.height_px; ++y) {
    const std::int32_t chroma_y = gray ? y : y >> frame.chroma_shift_y;
    for (std::int32_t x = 0; x < frame.width_px; ++x) {
      const std::int32_t at = (gray ? x : x >> frame.chroma_shift_x) * chroma_u.step;
      const std::uint8_t level = luma.row(y)[x];
      const std::uint8_t u = gray ? std::uint8_t{kChromaZero} : chroma_u.row(chroma_y)[at];
      const std::uint8_t v = gray ? std::uint8_t{kChromaZero} : chroma_v.row(chroma_y)[at];
      canvas.set(x, y, jfif ? Pixel{level, u, v} : convert(level, u, v));
    }
  }
  return canvas;
}

void draw_text(Canvas& canvas, std::int32_t x, std::int32_t y, std::int32_t zoom, const std::string& text) {
  for (const char letter : text) {
    const Glyph& rows = glyph(letter);
    for (std::int32_t row = 0; row < kGlyphHeight; ++row) {
      for (std::int32_t column = 0; column < kGlyphWidth; ++column) {
        if ((rows[static_cast<std::size_t>(row)] >> (kGlyphWidth - 1 - column) & 1) == 0) continue;
        const std::int32_t left = x + column * zoom, top = y + row * zoom;
        canvas.fill(left, top, left + zoom, top + zoom, kTextColor);
      }
    }
    x += (kGlyphWidth + 1) * zoom;
  }
}

std::string caption(const Detection& detection, const std::vector<std::string>& labels) {
  const auto label = static_cast<std::size_t>(detection.label);
  const std::string name = label < labels.size() ? labels[label] : std::to_string(detection.label);
  char score[16];
  std::snprintf(score, sizeof score, " %.2f", static_cast<double>(detection.score));
  return name + score;
}

/// A box and its caption: above the box, or inside it where the picture ends.
void draw(Canvas& canvas, const Detection& detection, const std::vector<std::string>& labels) {
  const std::int32_t zoom = std::max(1, canvas.height_px() / 360);
  const std::int32_t line = zoom + 1;
  const Pixel& color = kPalette[static_cast<std::size_t>(detection.label) % std::size(kPalette)];
  std::array<std::int32_t, 4> box{};
  for (std::size_t at = 0; at < box.size(); ++at) {
    const std::int32_t side = at % 2 == 0 ? canvas.width_px() : canvas.height_px();
    box[at] = static_cast<std::int32_t>(std::lround(std::clamp(detection.box[at], 0.0F, static_cast<float>(side))));
  }
  const auto [x0, y0, x1, y1] = box;
  canvas.fill(x0, y0, x1, y0 + line, color);
  canvas.fill(x0, y1 - line, x1, y1, color);
  canvas.fill(x0, y0, x0 + line, y1, color);
  canvas.fill(x1 - line, y0, x1, y1, color);

  const std::string text = caption(detection, labels);
  const std::int32_t text_width = static_cast<std::int32_t>(text.size()) * (kGlyphWidth + 1) * zoom + zoom;
  const std::int32_t text_height = (kGlyphHeight + 2) * zoom;
  const std::int32_t top = y0 >= text_height ? y0 - text_height : y0;
  canvas.fill(x0, top, x0 + text_width, top + text_height, color);
  draw_text(canvas, x0 + zoom, top + zoom, zoom, text);
}

struct Destroy {
  void operator()(void* handle) const noexcept { tjDestroy(handle); }
};
struct FreeBuffer {
  void operator()(unsigned char* buffer) const noexcept { tjFree(buffer); }
};

Status write_bytes(const unsigned char* bytes, std::size_t size_bytes, const fs::path& path) {
  // The process id keeps two runs into one folder apart.
  const fs::path partial = path.parent_path() / ("." + path.filename().string() + "." + std::to_string(getpid()));
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes), static_cast<std::streamsize>(size_bytes));
  file.close();
  std::error_code problem;
  if (file) {
    fs::rename(partial, path, problem);
    if (!problem) return {};
  }
  const std::string reason = problem ? problem.message() : std::strerror(errno);
  fs::remove(partial, problem);
  return Error{Code::kNotFound, path.string() + ": cannot be written: " + reason,
               "does the folder exist, and has its disk room?"};
}

}  // namespace

Status write_annotated_jpeg(const Frame& frame, const std::vector<Detection>& detections,
                            const std::vector<std::string>& labels, const fs::path& path) {
  if (Status readable = check_readable(frame); !readable) return readable;
  Canvas canvas = to_canvas(frame);
  for (const Detection& detection : detections) draw(canvas, detection, labels);

  const std::unique_ptr<void, Destroy> jpeg(tjInitCompress());
  if (!jpeg) return Error{Code::kInternal, std::string("tjInitCompress: ") + tjGetErrorStr2(nullptr), ""};
  std::array<const unsigned char*, 3> planes{canvas.plane(0), canvas.plane(1), canvas.plane(2)};
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const int rc = tjCompressFromYUVPlanes(jpeg.get(), planes.data(), canvas.width_px(), nullptr, canvas.height_px(),
                                         TJSAMP_444, &buffer, &size, kQuality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, FreeBuffer> bytes(buffer);
  if (rc != 0) return Error{Code::kUnsupported, path.string() + ": " + tjGetErrorStr2(jpeg.get()), ""};
  return write_bytes(bytes.get(), size, path);
}

}  // namespace edgecore

#else

namespace edgecore {

Status write_annotated_jpeg(const Frame&, const std::vector<Detection>&, const std::vector<std::string>&,
                            const std::filesystem::path& path) {
  return Error{Code::kUnsupported, path.string() + ": this build writes no JPEG", "build with EDGECORE_WITH_JPEG=ON"};
}

}  // namespace edgecore

#endif
