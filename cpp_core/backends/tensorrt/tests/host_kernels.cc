#include "tests/host_kernels.h"

#include <algorithm>
#include <cstring>

// What CUDA C++ has beyond C++, as far as the kernels use it.
#define __device__
#define __global__
using std::max;
using std::min;
struct uchar2 {
  unsigned char x, y;
};
struct float4 {
  float x, y, z, w;
};
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static float __fmul_rn(float a, float b) { return a * b; }
static float __fsub_rn(float a, float b) { return a - b; }
template <typename T>
static T __ldg(const T* address) { return *address; }
static edgecore::tensorrt::Extent gridDim, blockDim;
static struct {
  unsigned x, y;
} blockIdx, threadIdx;

#include "kernels/preprocess.cu"

namespace edgecore::tensorrt {

bool run_on_host(const char* kernel, Extent grid, Extent block, void** parameters) {
  const struct {
    const char* name;
    void (*function)(const PictureJob job);
  } kernels[] = {{"edgecore_prepare_planar", edgecore_prepare_planar},
                 {"edgecore_prepare_semiplanar", edgecore_prepare_semiplanar},
                 {"edgecore_prepare_gray", edgecore_prepare_gray}};
  for (const auto& known : kernels) {
    if (std::strcmp(known.name, kernel) != 0) continue;
    const auto& job = *static_cast<const PictureJob*>(parameters[0]);
    gridDim = grid;
    blockDim = block;
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y) {
          for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) known.function(job);
        }
      }
    }
    return true;
  }
  return false;
}

}  // namespace edgecore::tensorrt
