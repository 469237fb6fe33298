// The module's device code on a real GPU: does it do what the core does, and how fast.
// gpu_check [FOLDER [PICTURES]]. FOLDER: JPEG files and clips as gpu_clips.py makes them. Needs an NVIDIA driver, and
// nvJPEG (libnvjpeg.so.N) on the loader's path.
#include "tests/gpu_check.h"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace edgecore;
using namespace edgecore::tensorrt;

int run(const char* folder, int cases) {
  abi::Error error;
  Driver driver;
  Gpu gpu;
  PictureKernels kernels;
  if (driver.open(&error) != abi::Code::kOk || gpu.open(driver, 0, &error) != abi::Code::kOk ||
      kernels.load(gpu, &error) != abi::Code::kOk) {
    std::printf("error: %s\n", error.text);
    return 2;
  }
  std::printf("%s, sm_%d, %d multiprocessors, driver for CUDA %d.%d, %s\n", gpu.title().c_str(), gpu.capability(),
              gpu.multiprocessors(), driver.version() / 1000, driver.version() % 1000 / 10,
              gpu.shares_memory() ? "shares the CPU's memory" : "memory of its own");
  int failures = check_pictures(kernels, cases);
  failures += check_jpeg(driver, folder);
  failures += check_video(kernels, folder);
  failures += measure(kernels);
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kCases = 3000;
  return run(argc > 1 ? argv[1] : nullptr, argc > 2 ? std::atoi(argv[2]) : kCases);
}
