// Asks the CUDA runtime what it is and which devices there are, as a health check of an engine would.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <vector>

int main() {
  int runtime = 0;
  int driver = 0;
  if (cudaRuntimeGetVersion(&runtime) != cudaSuccess || cudaDriverGetVersion(&driver) != cudaSuccess) return 1;
  std::printf("runtime %d compiled %d driver %d\n", runtime, CUDART_VERSION, driver);

  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found != cudaSuccess) {
    std::printf("no device: %d %s\n", static_cast<int>(found), cudaGetErrorName(found));
    return 0;
  }
  std::vector<cudaDeviceProp> devices(static_cast<std::size_t>(count));
  for (int index = 0; index < count; ++index) {
    if (cudaGetDeviceProperties(&devices[static_cast<std::size_t>(index)], index) != cudaSuccess) return 1;
    std::printf("device %d: %s\n", index, devices[static_cast<std::size_t>(index)].name);
  }
  return 0;
}
