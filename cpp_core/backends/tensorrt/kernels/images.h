// The kernels as this module carries them. Defined by what tools/nvrtc.py writes, or by no_images.cc.
#pragma once

#include <cstddef>

namespace edgecore::tensorrt {

/// One image of kernels/preprocess.cu.
struct DeviceImage {
  int capability;    // 87: a cubin for sm_87, or PTX of compute_87
  int cuda_version;  // of the compiler: 12060 is 12.6
  bool is_ptx;
  const unsigned char* bytes;
  std::size_t size_bytes;
};

struct DeviceImages {
  const DeviceImage* all;
  std::size_t count;
};

extern const DeviceImages kDeviceImages;

/// The best for a GPU (87 is 8.7; `shares_memory`: with the CPU, as on Jetson) and a driver (12040 serves CUDA 12.4);
/// null if none runs there.
const DeviceImage* choose_image(const DeviceImages& images, int capability, int driver_cuda,
                                bool shares_memory) noexcept;

}  // namespace edgecore::tensorrt
