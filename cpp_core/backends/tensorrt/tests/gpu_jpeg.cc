#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "edgecore/jpeg.h"
#include "jpeg.h"
#include "tests/gpu_check.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using Clock = std::chrono::steady_clock;

struct Release {
  void operator()(abi::Decoder* decoder) const noexcept { decoder->release(); }
};

struct Levels {
  int max = 0;
  double sum = 0.0;
  std::size_t samples = 0;
};

/// False: not even the same kind of picture.
bool compare(const Frame& expected, const abi::Picture& found, Levels& levels) {
  if (expected.width_px != found.width_px || expected.height_px != found.height_px ||
      expected.layout != found.layout ||
      (found.layout != abi::PixelLayout::kGray && (expected.chroma_shift_x != found.chroma_shift_x ||
                                                   expected.chroma_shift_y != found.chroma_shift_y))) {
    return false;
  }
  for (int plane = 0; plane < plane_count(found); ++plane) {
    const PlaneSize size = plane_size(found, plane);
    for (std::int32_t y = 0; y < size.rows; ++y) {
      const Plane& ours = expected.planes[static_cast<std::size_t>(plane)];
      const std::uint8_t* left = ours.data + static_cast<std::ptrdiff_t>(y) * ours.stride_bytes;
      const std::uint8_t* right = static_cast<const std::uint8_t*>(found.planes[plane]) +
                                  static_cast<std::ptrdiff_t>(y) * found.stride_bytes[plane];
      for (std::int32_t x = 0; x < size.row_bytes; ++x) {
        const int levels_apart = std::abs(left[x] - right[x]);
        levels.max = std::max(levels.max, levels_apart);
        levels.sum += levels_apart;
        ++levels.samples;
      }
    }
  }
  return true;
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Writes pictures of every sampling that the core writes.
void generate(const std::filesystem::path& folder) {
  constexpr std::int32_t kWidth = 641;
  constexpr std::int32_t kHeight = 479;
  int number = 0;
  for (const int shift_x : {0, 1}) {
    for (const int shift_y : {0, 1}) {
      std::vector<std::uint8_t> samples(static_cast<std::size_t>(kWidth * kHeight) * 3);
      Frame frame;
      frame.width_px = kWidth;
      frame.height_px = kHeight;
      frame.chroma_shift_x = static_cast<std::uint8_t>(shift_x);
      frame.chroma_shift_y = static_cast<std::uint8_t>(shift_y);
      frame.range = ColorRange::kFull;
      for (std::size_t plane = 0; plane < 3; ++plane) {
        std::uint8_t* data = samples.data() + plane * static_cast<std::size_t>(kWidth * kHeight);
        for (int y = 0; y < kHeight; ++y) {  // ramps and edges
          for (int x = 0; x < kWidth; ++x) {
            const int ramp = x * (2 + static_cast<int>(plane)) + y;
            data[y * kWidth + x] = static_cast<std::uint8_t>(ramp + x / 40 % 2 * 90);
          }
        }
        frame.planes[plane] = {data, kWidth};
      }
      const auto path = folder / ("generated-" + std::to_string(number++) + ".jpg");
      if (const Status written = write_annotated_jpeg(frame, {}, {}, path); !written) {
        std::printf("  %s: %s\n", path.c_str(), written.error().message.c_str());
      }
    }
  }
}

std::vector<std::filesystem::path> jpegs_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".jpg") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

struct Totals {
  Levels levels;
  std::vector<double> device_ms, cpu_ms;
  int files = 0;
};

int check_file(abi::Decoder& decoder, const std::filesystem::path& path, Totals& totals) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Error error;
  std::int32_t has_picture = 0;
  abi::Picture picture;
  const auto started = Clock::now();
  Code code = decoder.push(bytes.data(), bytes.size(), 40, &error);
  totals.device_ms.push_back(milliseconds_since(started));
  if (code == Code::kOk) code = decoder.pull(&picture, &has_picture, &error);
  if (code != Code::kOk || has_picture == 0 || picture.pts_us != 40) {
    std::printf("  %s: %s\n", path.filename().c_str(), error.text);
    return 1;
  }
  HostPicture planes(picture);
  code = decoder.download(picture, &planes.picture, &error);
  decoder.recycle(&picture);
  const auto cpu_started = Clock::now();
  const Result<Frame> expected = read_jpeg(path);
  totals.cpu_ms.push_back(milliseconds_since(cpu_started));
  Levels levels;
  if (code != Code::kOk || !expected || !compare(*expected, planes.picture, levels)) {
    std::printf("  %s: %s\n", path.filename().c_str(), code != Code::kOk ? error.text : "another kind of picture");
    return 1;
  }
  totals.levels.max = std::max(totals.levels.max, levels.max);
  totals.levels.sum += levels.sum;
  totals.levels.samples += levels.samples;
  ++totals.files;
  return levels.max <= 1 ? 0 : 1;
}

/// What is no JPEG, or half of one, is a typed error and leaves the decoder usable.
int check_damage(abi::Decoder& decoder, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Error error;
  int failures = 0;
  for (const std::size_t size : {std::size_t{3}, std::size_t{100}}) {
    if (decoder.push(bytes.data(), size, 0, &error) != Code::kCorrupt) ++failures;
  }
  if (decoder.push("not a picture at all", 20, 0, &error) != Code::kCorrupt) ++failures;
  std::printf("  damage: \"%s\", %d failures\n", error.text, failures);
  return failures;
}

}  // namespace

int check_jpeg(const Driver& driver, const char* folder) {
  Error error;
  abi::Decoder* opened = nullptr;
  if (open_jpeg_decoder(driver, 0, &opened, &error) != Code::kOk) {
    std::printf("nvJPEG: %s\n", error.text);
    return 1;
  }
  const std::unique_ptr<abi::Decoder, Release> decoder(opened);
  const auto scratch = std::filesystem::temp_directory_path() / ("gpu-check-" + std::to_string(getpid()));
  std::filesystem::create_directory(scratch);
  generate(scratch);
  std::vector<std::filesystem::path> files = jpegs_in(scratch);
  if (folder != nullptr) {
    for (const auto& path : jpegs_in(folder)) files.push_back(path);
  }
  int failures = files.empty() ? 1 : 0;
  Totals totals;
  for (int round = 0; round < 3; ++round) {  // the first warms up
    totals = {};
    int now = 0;
    for (const auto& path : files) now += check_file(*decoder, path, totals);
    failures = std::max(failures, now);
  }
  if (!files.empty()) failures += check_damage(*decoder, files.front());
  std::filesystem::remove_all(scratch);
  std::printf("nvJPEG against libjpeg-turbo: %d files, %zu samples: max %d, mean %.4f of 255; median %.3f ms (device), "
              "%.3f ms (CPU)\n", totals.files, totals.levels.samples, totals.levels.max,
              totals.levels.sum / static_cast<double>(std::max<std::size_t>(totals.levels.samples, 1)),
              totals.device_ms.empty() ? 0.0 : median(totals.device_ms),
              totals.cpu_ms.empty() ? 0.0 : median(totals.cpu_ms));
  return failures;
}

}  // namespace edgecore::tensorrt
