// The kernels, compiled for the CPU, against the core's own arithmetic: equal bit for bit on every kind of picture. And
// which of a module's images is for which GPU.
// kernels_check [CASES]
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "kernels/images.h"
#include "tests/host_kernels.h"
#include "tests/picture_cases.h"
#include "picture_plan.h"

namespace {

using namespace edgecore;
using namespace edgecore::tensorrt;

std::vector<float> prepare_by_kernel(const PictureCase& item) {
  constexpr const char* kNames[] = {"edgecore_prepare_planar", "edgecore_prepare_semiplanar", "edgecore_prepare_gray"};
  constexpr Extent kBlock{32, 8, 1};
  const abi::PictureInput wish = wish_of(item);
  const Geometry geometry = geometry_of(item.picture, wish);
  std::vector<std::uint32_t> taps(tap_count(geometry));
  plan_taps(geometry, taps.data());
  std::vector<float> out(static_cast<std::size_t>(wish.width_px) * static_cast<std::size_t>(wish.height_px) * 3,
                         std::numeric_limits<float>::quiet_NaN());
  PictureJob job = plan_job(item.picture, wish);
  for (int plane = 0; plane < plane_count(item.picture); ++plane) {
    job.planes[plane] = static_cast<const unsigned char*>(item.picture.planes[plane]);
    job.strides_bytes[plane] = item.picture.stride_bytes[plane];
  }
  job.columns = taps.data();
  job.rows = taps.data() + 2 * wish.inner_width_px;
  job.target = out.data();
  const auto blocks = [](std::int32_t pixels, unsigned per_block) {
    return (static_cast<unsigned>(pixels) + per_block - 1) / per_block;
  };
  void* parameters[] = {&job};
  run_on_host(kNames[static_cast<int>(item.picture.layout)],
              {blocks(wish.width_px, kBlock.x * 4), blocks(wish.height_px, kBlock.y), 1}, kBlock, parameters);
  return out;
}

constexpr DeviceImage kServer[] = {{75, 12060, false, nullptr, 0}, {80, 12060, false, nullptr, 0},
                                   {90, 12060, false, nullptr, 0}, {90, 12060, true, nullptr, 0}};
constexpr DeviceImage kOrinAndThor[] = {{87, 12060, false, nullptr, 0}, {87, 12060, true, nullptr, 0},
                                        {110, 13000, false, nullptr, 0}};
constexpr DeviceImage kXavierAndOrin[] = {{72, 11080, false, nullptr, 0}, {87, 11080, false, nullptr, 0}};
constexpr bool kShares = true;
constexpr int kNone = -1;

int check_choice() {
  const struct {
    const char* what;
    DeviceImages images;
    int capability, driver_cuda;
    bool shares_memory;
    int expected;  // which of them
  } cases[] = {
      {"V100: older than all", {kServer, 4}, 70, 12040, false, kNone},
      {"T4", {kServer, 4}, 75, 12020, false, 0},
      {"A10 takes sm_80's", {kServer, 4}, 86, 12040, false, 1},
      {"L4 takes sm_80's", {kServer, 4}, 89, 12040, false, 1},
      {"H100 with an older driver of the same major", {kServer, 4}, 90, 12000, false, 2},
      {"H100 with a driver for CUDA 11", {kServer, 4}, 90, 11080, false, kNone},
      {"H100 with a driver for CUDA 13", {kServer, 4}, 90, 13000, false, 2},
      {"B200 compiles", {kServer, 4}, 100, 12080, false, 3},
      {"B200 with a driver that is older than the PTX", {kServer, 4}, 100, 12040, false, kNone},
      {"Orin, JetPack 6", {kOrinAndThor, 3}, 87, 12060, kShares, 0},
      {"Orin, JetPack 7", {kOrinAndThor, 3}, 87, 13020, kShares, 0},
      {"Thor", {kOrinAndThor, 3}, 110, 13000, kShares, 2},
      {"an integrated GPU of its own kind compiles", {kOrinAndThor, 3}, 88, 13000, kShares, 1},
      {"Xavier, JetPack 5", {kXavierAndOrin, 2}, 72, 11040, kShares, 0},
      {"Orin, JetPack 5", {kXavierAndOrin, 2}, 87, 11040, kShares, 1},
      {"Xavier, JetPack 4.6", {kXavierAndOrin, 2}, 72, 10020, kShares, kNone},
      {"a build without device code", {nullptr, 0}, 87, 12060, kShares, kNone},
  };
  int failures = 0;
  for (const auto& each : cases) {
    const DeviceImage* chosen = choose_image(each.images, each.capability, each.driver_cuda, each.shares_memory);
    const int index = chosen == nullptr ? kNone : static_cast<int>(chosen - each.images.all);
    if (index == each.expected) continue;
    ++failures;
    std::printf("%s: image %d, expected %d\n", each.what, index, each.expected);
  }
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  const long cases = argc > 1 ? std::atol(argv[1]) : 400;
  int failures = check_choice();
  std::size_t values = 0;
  for (long seed = 0; seed < cases; ++seed) {
    const PictureCase item = make_case(static_cast<std::uint32_t>(seed), seed < cases / 2 ? 40 : 200);
    const std::vector<float> expected = prepare_on_cpu(item);
    const std::vector<float> found = prepare_by_kernel(item);
    const Difference different = difference(item, expected, found);
    values += expected.size();
    if (!expected.empty() && different.values == 0) continue;
    ++failures;
    std::printf("case %ld, %s: %zu values differ, by up to %.3f of 255\n", seed, describe(item).c_str(),
                different.values, different.max_levels);
  }
  std::printf("%ld pictures, %zu values, %d failures\n", cases, values, failures);
  return failures == 0 ? 0 : 1;
}
