#include "kernels/images.h"

namespace edgecore::tensorrt {
namespace {

constexpr int kImpossible = -1;
constexpr int kCompiledThere = 1000;  // PTX comes after every cubin: the driver has to compile it first

/// Lower is better.
/// A cubin runs on later minor versions of its major one, except on integrated GPUs, which need their own; and on every
/// driver of its compiler's major version. PTX runs on any later GPU whose driver knows the compiler's version.
/// Source: CUDA C++ Programming Guide, "Binary Compatibility"; CUDA Compatibility, "Minor Version Compatibility".
int rank(const DeviceImage& image, int capability, int driver_cuda, bool shares_memory) noexcept {
  const int distance = capability - image.capability;
  if (distance < 0) return kImpossible;
  if (image.is_ptx) return driver_cuda >= image.cuda_version ? kCompiledThere + distance : kImpossible;
  if (driver_cuda / 1000 < image.cuda_version / 1000) return kImpossible;
  const bool same_major = capability / 10 == image.capability / 10;
  return distance == 0 || (same_major && !shares_memory) ? distance : kImpossible;
}

}  // namespace

const DeviceImage* choose_image(const DeviceImages& images, int capability, int driver_cuda,
                                bool shares_memory) noexcept {
  const DeviceImage* best = nullptr;
  int best_rank = kImpossible;
  for (std::size_t i = 0; i < images.count; ++i) {
    const int now = rank(images.all[i], capability, driver_cuda, shares_memory);
    if (now == kImpossible || (best != nullptr && now >= best_rank)) continue;
    best = &images.all[i];
    best_rank = now;
  }
  return best;
}

}  // namespace edgecore::tensorrt
