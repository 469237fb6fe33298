#include "planes.h"

#include <cstring>
#include <limits>
#include <vector>

#include "edgecore/module.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using abi::Picture;
using module::fail;

bool same_kind(const Picture& left, const Picture& right) noexcept {
  return left.width_px == right.width_px && left.height_px == right.height_px && left.layout == right.layout &&
         left.chroma_shift_x == right.chroma_shift_x && left.chroma_shift_y == right.chroma_shift_y;
}

}  // namespace

std::size_t plane_bytes(const PlaneSize& size, std::int32_t stride_bytes) noexcept {
  return static_cast<std::size_t>(stride_bytes) * static_cast<std::size_t>(size.rows - 1) +
         static_cast<std::size_t>(size.row_bytes);
}

Code download_picture(const Libraries& libraries, const Device& device, const Picture& picture, const Picture& host,
                      abi::Error* error) noexcept {
  if (!same_kind(picture, host) || picture.place != abi::Place::kDevice || host.place != abi::Place::kHost) {
    return fail(error, Code::kInvalidArgument, "download: a %dx%d device picture into a %dx%d one of another kind",
                picture.width_px, picture.height_px, host.width_px, host.height_px);
  }
  std::vector<char> rows;
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const PlaneSize size = plane_size(picture, plane);
    if (host.planes[plane] == nullptr || host.stride_bytes[plane] < size.row_bytes) {
      return fail(error, Code::kInvalidArgument, "download: plane %d has no room for rows of %d bytes", plane,
                  size.row_bytes);
    }
    const std::size_t size_bytes = plane_bytes(size, picture.stride_bytes[plane]);
    if (size_bytes > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
      return fail(error, Code::kUnsupported, "download: a plane of %zu bytes", size_bytes);
    }
    const auto count = static_cast<unsigned>(size_bytes);
    const bm::DeviceMemory from =
        bm::memory_at(reinterpret_cast<std::uintptr_t>(picture.planes[plane]), count);
    // One copy a plane: each has a price of its own behind PCIe. Where rows are apart, they are put together here.
    const bool is_dense = host.stride_bytes[plane] == picture.stride_bytes[plane];
    if (!is_dense) rows.resize(size_bytes);
    auto* const target = static_cast<char*>(host.planes[plane]);
    if (Code code = check(libraries.lib.bm_memcpy_d2s_partial(device.handle(), is_dense ? target : rows.data(), from,
                                                              count),
                          "bm_memcpy_d2s_partial", error);
        code != Code::kOk) {
      return code;
    }
    for (std::int32_t y = 0; !is_dense && y < size.rows; ++y) {
      std::memcpy(target + std::ptrdiff_t{y} * host.stride_bytes[plane],
                  rows.data() + std::ptrdiff_t{y} * picture.stride_bytes[plane],
                  static_cast<std::size_t>(size.row_bytes));
    }
  }
  return Code::kOk;
}

}  // namespace edgecore::sophon
