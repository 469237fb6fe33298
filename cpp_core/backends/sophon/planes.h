// How the planes of pictures lie, and their way to the host.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edgecore/abi.h"
#include "runtime.h"

namespace edgecore::sophon {

struct PlaneSize {
  std::int32_t row_bytes = 0;
  std::int32_t rows = 0;
};

int plane_count(const abi::Picture& picture) noexcept;
PlaneSize plane_size(const abi::Picture& picture, int plane) noexcept;

/// What the plane takes from its first byte to its last row's end, rows `stride_bytes` apart.
std::size_t plane_bytes(const PlaneSize& size, std::int32_t stride_bytes) noexcept;

/// A device picture's planes into host memory as `host` says; over when the call returns. kInvalidArgument unless both
/// describe the same picture.
abi::Code download_picture(const Libraries& libraries, const Device& device, const abi::Picture& picture,
                           const abi::Picture& host, abi::Error* error) noexcept;

}  // namespace edgecore::sophon
