// How the planes of pictures lie, and their way to the host.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edgecore/abi.h"
#include "edgecore/module.h"
#include "runtime.h"

namespace edgecore::sophon {

using module::plane_count;
using module::plane_size;
using module::PlaneSize;

/// What the plane takes from its first byte to its last row's end, rows `stride_bytes` apart.
std::size_t plane_bytes(const PlaneSize& size, std::int32_t stride_bytes) noexcept;

/// A device picture's planes into host memory as `host` says; over when the call returns. kInvalidArgument unless both
/// describe the same picture.
abi::Code download_picture(const Libraries& libraries, const Device& device, const abi::Picture& picture,
                           const abi::Picture& host, abi::Error* error) noexcept;

}  // namespace edgecore::sophon
