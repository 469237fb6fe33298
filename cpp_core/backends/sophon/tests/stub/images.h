// The images of the stand-in for libbmcv.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "../../abi/bmcv.h"
#include "stub.h"

namespace bm {

struct ImagePrivate {
  Handle handle = nullptr;
  std::vector<int> strides;
  std::vector<int> rows;
  std::vector<DeviceMemory> planes;  // empty: nothing attached
  bool owns_planes = false;          // the first one is the memory of all
};

}  // namespace bm

namespace stub {

/// A created image, or the end of the process.
bm::ImagePrivate& known(const bm::Image& image);

/// Y, U, V or R, G, B at a position in samples of that component, between them linearly.
double sample(const bm::Image& image, int component, double x, double y);

/// What VPP makes: `from` whole, resampled and in colour, into `place` of `to`, `padding`'s colour around it.
void draw(const bm::Image& from, const bm::Image& to, const bm::Padding& padding, bm::ColorConversion conversion);

}  // namespace stub
