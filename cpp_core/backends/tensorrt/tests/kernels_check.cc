// The kernels, compiled for the CPU, against the core's own arithmetic: equal bit for bit on every kind of picture.
// kernels_check [CASES]
#include <cstdio>
#include <cstdlib>
#include <limits>

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

}  // namespace

int main(int argc, char** argv) {
  const long cases = argc > 1 ? std::atol(argv[1]) : 400;
  int failures = 0;
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
