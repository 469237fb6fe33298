#include "preprocess.h"

#include <cstring>

#include "edgecore/module.h"
#include "kernels/images.h"
#include "kernels/picture_job.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using abi::PictureInput;
using module::fail;

constexpr const char* kKernels[] = {"edgecore_prepare_planar", "edgecore_prepare_semiplanar", "edgecore_prepare_gray"};
constexpr unsigned kBlockWidth = 32;
constexpr unsigned kBlockHeight = 8;
constexpr unsigned kPixelsPerThread = 4;
constexpr std::size_t kRowAlignment = 32;  // the GPU reads memory in sectors of 32 bytes

std::size_t aligned_row(const PlaneSize& size) noexcept {
  return (static_cast<std::size_t>(size.row_bytes) + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

void copy_rows(const Picture& picture, int plane, std::size_t target_stride, unsigned char* target) noexcept {
  const PlaneSize size = plane_size(picture, plane);
  const auto* source = static_cast<const unsigned char*>(picture.planes[plane]);
  const auto stride = static_cast<std::size_t>(picture.stride_bytes[plane]);
  if (stride == target_stride) {  // the last row may end before its stride does
    const std::size_t whole_rows = static_cast<std::size_t>(size.rows - 1) * stride;
    std::memcpy(target, source, whole_rows + static_cast<std::size_t>(size.row_bytes));
    return;
  }
  for (std::int32_t row = 0; row < size.rows; ++row, source += stride, target += target_stride) {
    std::memcpy(target, source, static_cast<std::size_t>(size.row_bytes));
  }
}

unsigned blocks(std::int32_t pixels, unsigned per_block) noexcept {
  return (static_cast<unsigned>(pixels) + per_block - 1) / per_block;
}

}  // namespace

Code PictureKernels::load(const Gpu& gpu, Error* error) noexcept {
  const int cuda = gpu.driver().version();
  const DeviceImage* best = choose_image(kDeviceImages, gpu.capability(), cuda, gpu.shares_memory());
  if (best == nullptr) {
    return fail(error, Code::kUnsupported,
                "%s (sm_%d, driver for CUDA %d.%d): none of the module's %zu device images is for it; pictures are "
                "prepared on the CPU",
                gpu.title().c_str(), gpu.capability(), cuda / 1000, cuda % 1000 / 10, kDeviceImages.count);
  }
  if (Code code = module_.load(gpu, best->bytes, error); code != Code::kOk) return code;
  for (int layout = 0; layout < 3; ++layout) {
    if (Code code = module_.find(kKernels[layout], functions_[layout], error); code != Code::kOk) return code;
  }
  gpu_ = &gpu;
  return Code::kOk;
}

Code PictureFeed::prepare(const PictureKernels& kernels, const Picture& picture, const PictureInput& wish,
                          const Stream& stream, cuda::DevicePointer target, abi::CopyCounts& copies,
                          Error* error) noexcept {
  if (!kernels) return fail(error, Code::kUnsupported, "no kernels are loaded; the picture is prepared on the CPU");
  if (Code code = check_picture(picture, error); code != Code::kOk) return code;
  if (Code code = check_wish(wish, error); code != Code::kOk) return code;
  const Gpu& gpu = kernels.gpu();

  Picture source = picture;
  if (picture.place == abi::Place::kHost) {
    if (Code code = upload(gpu, picture, stream, source, copies, error); code != Code::kOk) return code;
  }
  const Geometry geometry = geometry_of(picture, wish);
  if (Code code = plan(gpu, geometry, stream, error); code != Code::kOk) return code;

  PictureJob job = plan_job(source, wish);
  for (int plane = 0; plane < plane_count(source); ++plane) {
    job.planes[plane] = static_cast<const unsigned char*>(source.planes[plane]);
    job.strides_bytes[plane] = source.stride_bytes[plane];
  }
  job.columns = reinterpret_cast<const unsigned*>(taps_.get());
  job.rows = job.columns + 2 * wish.inner_width_px;
  job.target = reinterpret_cast<float*>(target);

  const Current current(gpu, error);
  if (!current) return current.code();
  void* parameters[] = {&job};
  const cuda::Result launched = gpu.api().cuLaunchKernel(
      kernels.function(source.layout), blocks(wish.width_px, kBlockWidth * kPixelsPerThread),
      blocks(wish.height_px, kBlockHeight), 1, kBlockWidth, kBlockHeight, 1, 0, stream.get(), parameters, nullptr);
  return gpu.check(launched, "cuLaunchKernel", error);
}

/// Into pinned memory, from where a GPU with memory of its own fetches it in one copy; one that shares the CPU's reads
/// it there.
Code PictureFeed::upload(const Gpu& gpu, const Picture& host, const Stream& stream, Picture& device,
                         abi::CopyCounts& copies, Error* error) noexcept {
  std::size_t offsets[3] = {};
  std::size_t size_bytes = 0;
  for (int plane = 0; plane < plane_count(host); ++plane) {
    const PlaneSize size = plane_size(host, plane);
    offsets[plane] = size_bytes;
    size_bytes += aligned_row(size) * static_cast<std::size_t>(size.rows);
  }
  // What was enqueued before may still read both buffers. A slot's stream is idle here, unless a run was given up.
  if (Code code = stream.synchronize(error); code != Code::kOk) return code;
  if (Code code = staged_picture_.reserve(gpu, size_bytes, error); code != Code::kOk) return code;
  if (!gpu.shares_memory()) {
    if (Code code = picture_.reserve(gpu, size_bytes, error); code != Code::kOk) return code;
  }
  const cuda::DevicePointer base = gpu.shares_memory() ? staged_picture_.device() : picture_.get();
  for (int plane = 0; plane < plane_count(host); ++plane) {
    const std::size_t stride = aligned_row(plane_size(host, plane));
    copy_rows(host, plane, stride, static_cast<unsigned char*>(staged_picture_.data()) + offsets[plane]);
    device.planes[plane] = reinterpret_cast<void*>(base + offsets[plane]);
    device.stride_bytes[plane] = static_cast<std::int32_t>(stride);
  }
  device.place = abi::Place::kDevice;
  if (gpu.shares_memory()) return Code::kOk;
  ++copies.to_device;
  copies.to_device_bytes += size_bytes;
  return stream.to_device(picture_.get(), staged_picture_.data(), size_bytes, error);
}

Code PictureFeed::bring(const Gpu& gpu, const SurfaceView& view, const Picture& picture, const Stream& stream,
                        Picture& device, Error* error) noexcept {
  if (is_pitch_linear(view, picture, device)) return Code::kOk;
  std::size_t size_bytes = 0;
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const PlaneSize size = plane_size(picture, plane);
    size_bytes += aligned_row(size) * static_cast<std::size_t>(size.rows);
  }
  if (Code code = stream.synchronize(error); code != Code::kOk) return code;
  if (Code code = picture_.reserve(gpu, size_bytes, error); code != Code::kOk) return code;
  device = picture;
  device.place = abi::Place::kDevice;
  device.dma_fd = -1;
  cuda::DevicePointer at = picture_.get();
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const PlaneSize size = plane_size(picture, plane);
    cuda::Copy2D rows;
    rows.source_type = cuda::kArrayMemory;
    rows.source_array = view.frame.arrays[plane];
    rows.target_type = cuda::kDeviceMemory;
    rows.target_device = at;
    rows.target_pitch = aligned_row(size);
    rows.width_bytes = static_cast<std::size_t>(size.row_bytes);
    rows.height = static_cast<std::size_t>(size.rows);
    if (Code code = stream.copy(rows, error); code != Code::kOk) return code;
    device.planes[plane] = reinterpret_cast<void*>(at);
    device.stride_bytes[plane] = static_cast<std::int32_t>(rows.target_pitch);
    at += rows.target_pitch * rows.height;
  }
  return Code::kOk;
}

/// Once per size of picture: tables of where the samples lie.
Code PictureFeed::plan(const Gpu& gpu, const Geometry& geometry, const Stream& stream, Error* error) noexcept {
  if (taps_ && geometry == planned_) return Code::kOk;
  planned_ = {};
  const std::size_t size_bytes = tap_count(geometry) * sizeof(std::uint32_t);
  if (Code code = stream.synchronize(error); code != Code::kOk) return code;
  if (Code code = staged_taps_.reserve(gpu, size_bytes, error); code != Code::kOk) return code;
  if (Code code = taps_.reserve(gpu, size_bytes, error); code != Code::kOk) return code;

  plan_taps(geometry, static_cast<std::uint32_t*>(staged_taps_.data()));
  if (Code code = stream.to_device(taps_.get(), staged_taps_.data(), size_bytes, error); code != Code::kOk) return code;
  planned_ = geometry;
  return Code::kOk;
}

}  // namespace edgecore::tensorrt
