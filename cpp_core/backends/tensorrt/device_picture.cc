#include "device_picture.h"

#include <algorithm>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using module::fail;

constexpr std::size_t kRowAlignment = 256;  // what cuMemAllocPitch gives on every GPU of today

std::size_t pitch_of(const PlaneSize& size) noexcept {
  return (static_cast<std::size_t>(size.row_bytes) + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

bool same_kind(const Picture& left, const Picture& right) noexcept {
  return left.width_px == right.width_px && left.height_px == right.height_px && left.layout == right.layout &&
         left.chroma_shift_x == right.chroma_shift_x && left.chroma_shift_y == right.chroma_shift_y;
}

}  // namespace

Code PicturePool::take(const Gpu& gpu, Picture& picture, Error* error) noexcept {
  std::size_t size_bytes = 0;
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const PlaneSize size = plane_size(picture, plane);
    size_bytes += pitch_of(size) * static_cast<std::size_t>(size.rows);
  }
  if (free_.empty()) {
    all_.push_back(std::make_unique<DeviceMemory>());
    free_.push_back(all_.back().get());
  }
  DeviceMemory* memory = free_.back();
  if (Code code = memory->reserve(gpu, size_bytes, error); code != Code::kOk) return code;
  free_.pop_back();
  cuda::DevicePointer at = memory->get();
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const PlaneSize size = plane_size(picture, plane);
    picture.planes[plane] = reinterpret_cast<void*>(at);
    picture.stride_bytes[plane] = static_cast<std::int32_t>(pitch_of(size));
    at += pitch_of(size) * static_cast<std::size_t>(size.rows);
  }
  picture.place = abi::Place::kDevice;
  picture.token = memory;
  return Code::kOk;
}

void PicturePool::give_back(Picture& picture) noexcept {
  if (picture.token != nullptr) free_.push_back(static_cast<DeviceMemory*>(std::exchange(picture.token, nullptr)));
}

Code settle(const Stream& stream, Error* error) noexcept {
  const Code code = stream.synchronize(error);
  if (code != Code::kOk) static_cast<void>(stream.synchronize(nullptr));
  return code;
}

Code download_picture(const Stream& stream, const Picture& device, const Picture& host, Error* error) noexcept {
  if (!same_kind(device, host) || device.place != abi::Place::kDevice || host.place != abi::Place::kHost) {
    return fail(error, Code::kInvalidArgument, "download: a %dx%d device picture into a %dx%d one of another kind",
                device.width_px, device.height_px, host.width_px, host.height_px);
  }
  for (int plane = 0; plane < plane_count(device); ++plane) {
    const PlaneSize size = plane_size(device, plane);
    if (host.planes[plane] == nullptr || host.stride_bytes[plane] < size.row_bytes) {
      return fail(error, Code::kInvalidArgument, "download: plane %d has no room for rows of %d bytes", plane,
                  size.row_bytes);
    }
    cuda::Copy2D rows;
    rows.source_type = cuda::kDeviceMemory;
    rows.source_device = reinterpret_cast<cuda::DevicePointer>(device.planes[plane]);
    rows.source_pitch = static_cast<std::size_t>(device.stride_bytes[plane]);
    rows.target_type = cuda::kHostMemory;
    rows.target_host = host.planes[plane];
    rows.target_pitch = static_cast<std::size_t>(host.stride_bytes[plane]);
    rows.width_bytes = static_cast<std::size_t>(size.row_bytes);
    rows.height = static_cast<std::size_t>(size.rows);
    if (Code code = stream.copy(rows, error); code != Code::kOk) {
      static_cast<void>(settle(stream, nullptr));
      return code;
    }
  }
  return settle(stream, error);
}

}  // namespace edgecore::tensorrt
