// How long the hot path takes: prints one line per case, ns per output pixel and ms per frame.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "edgecore/preprocess.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Case {
  const char* name;
  std::int32_t width_px, height_px;
  edgecore::PixelLayout layout;
  std::int32_t input_width_px, input_height_px;
};

constexpr Case kCases[] = {
    {"640x272 planar -> 320x224", 640, 272, edgecore::PixelLayout::kPlanar, 320, 224},
    {"640x272 nv12 -> 320x224", 640, 272, edgecore::PixelLayout::kSemiPlanar, 320, 224},
    {"1920x1080 nv12 -> 640x640", 1920, 1080, edgecore::PixelLayout::kSemiPlanar, 640, 640},
    {"3840x2160 nv12 -> 640x640", 3840, 2160, edgecore::PixelLayout::kSemiPlanar, 640, 640},
};

double median_ns(const Case& bench) {
  const auto area = static_cast<std::size_t>(bench.width_px) * static_cast<std::size_t>(bench.height_px);
  std::vector<std::uint8_t> samples(area * 2);
  for (std::size_t at = 0; at < samples.size(); ++at) samples[at] = static_cast<std::uint8_t>(at * 2654435761U >> 13);

  const bool planar = bench.layout == edgecore::PixelLayout::kPlanar;
  const std::int32_t chroma_stride = planar ? bench.width_px / 2 : bench.width_px;
  edgecore::Frame frame;
  frame.layout = bench.layout;
  frame.width_px = bench.width_px;
  frame.height_px = bench.height_px;
  frame.planes = {{{samples.data(), bench.width_px},
                   {samples.data() + area, chroma_stride},
                   {samples.data() + area + area / 4, chroma_stride}}};
  edgecore::InputDescription input;
  input.width_px = bench.input_width_px;
  input.height_px = bench.input_height_px;
  edgecore::TensorBuffer tensor(edgecore::DType::kFloat32, {1, 3, input.height_px, input.width_px});

  std::vector<double> runs_ns;
  for (int run = 0; run < 51; ++run) {
    const auto start = Clock::now();
    if (!edgecore::preprocess(frame, input, tensor)) return -1.0;
    runs_ns.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count());
  }
  std::nth_element(runs_ns.begin(), runs_ns.begin() + 25, runs_ns.end());
  return runs_ns[25];
}

}  // namespace

int main() {
  for (const Case& bench : kCases) {
    const double ns = median_ns(bench);
    const double pixels = static_cast<double>(bench.input_width_px) * bench.input_height_px;
    std::printf("%-28s %6.2f ns/pixel %8.3f ms\n", bench.name, ns / pixels, ns / 1e6);
  }
}
