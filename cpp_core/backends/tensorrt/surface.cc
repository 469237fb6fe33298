#include "surface.h"

#include <dlfcn.h>

#include "edgecore/module.h"

namespace edgecore::nvbuf {
namespace {

using abi::Code;
using module::fail;

/// What a colour format says of a picture.
struct Format {
  ColorFormat id;
  abi::PixelLayout layout;
  std::int32_t chroma_shift;
  abi::ColorMatrix matrix;
  abi::ColorRange range;
};
constexpr Format kFormats[] = {
    {kGray8, abi::PixelLayout::kGray, 0, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
    {kYuv420, abi::PixelLayout::kPlanar, 1, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
    {kYuv420Full, abi::PixelLayout::kPlanar, 1, abi::ColorMatrix::kBt601, abi::ColorRange::kFull},
    {kNv12, abi::PixelLayout::kSemiPlanar, 1, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
    {kNv12Full, abi::PixelLayout::kSemiPlanar, 1, abi::ColorMatrix::kBt601, abi::ColorRange::kFull},
    {kYuv444, abi::PixelLayout::kPlanar, 0, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
    {kYuv420Bt709, abi::PixelLayout::kPlanar, 1, abi::ColorMatrix::kBt709, abi::ColorRange::kLimited},
    {kYuv420Bt709Full, abi::PixelLayout::kPlanar, 1, abi::ColorMatrix::kBt709, abi::ColorRange::kFull},
    {kNv12Bt709, abi::PixelLayout::kSemiPlanar, 1, abi::ColorMatrix::kBt709, abi::ColorRange::kLimited},
    {kNv12Bt709Full, abi::PixelLayout::kSemiPlanar, 1, abi::ColorMatrix::kBt709, abi::ColorRange::kFull},
};

const Format* find_format(ColorFormat id) {
  for (const Format& format : kFormats) {
    if (format.id == id) return &format;
  }
  return nullptr;
}

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/// Only these have to be mapped; the others have an address of their own.
bool needs_mapping(const Surface& surface) {
  return surface.memory_type == kSurfaceArray || surface.memory_type == kHandle;
}

}  // namespace

Code open_library(Library& library, abi::Error* error) noexcept {
  // Lazily: it names functions of the driver that only other kinds of memory need, and that drivers may lack.
  void* handle = dlopen(kSoname, RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return fail(error, Code::kNotFound, "%s cannot be opened: %s", kSoname, dlerror());
  const bool is_whole = find(handle, "NvBufSurfaceCreate", library.create) &&
                        find(handle, "NvBufSurfaceDestroy", library.destroy) &&
                        find(handle, "NvBufSurfaceFromFd", library.from_fd) &&
                        find(handle, "NvBufSurfaceMap", library.map) &&
                        find(handle, "NvBufSurfaceUnMap", library.unmap) &&
                        find(handle, "NvBufSurfaceSyncForCpu", library.sync_for_cpu);
  if (!is_whole) return fail(error, Code::kUnsupported, "%s: %s; the box's release is older than R35", kSoname, dlerror());
  if (!find(handle, "NvBufSurfaceMapEglImage", library.map_egl_image) ||
      !find(handle, "NvBufSurfaceUnMapEglImage", library.unmap_egl_image)) {
    library.map_egl_image = nullptr;
  }
  void* transform = dlopen(kTransformSoname, RTLD_LAZY | RTLD_LOCAL);
  if (transform != nullptr) find(transform, "NvBufSurfTransform", library.transform);
  return Code::kOk;
}

std::uint32_t plane_count(abi::PixelLayout layout) noexcept {
  switch (layout) {
    case abi::PixelLayout::kGray: return 1;
    case abi::PixelLayout::kSemiPlanar: return 2;
    case abi::PixelLayout::kPlanar: break;
  }
  return 3;
}

Code find_surface(const Library& library, int dma_fd, Surface*& surface, abi::Error* error) noexcept {
  void* found = nullptr;
  if (library.from_fd(dma_fd, &found) != 0 || found == nullptr) {
    return fail(error, Code::kSdk, "NvBufSurfaceFromFd: no surface behind file descriptor %d", dma_fd);
  }
  surface = static_cast<Surface*>(found);
  if (surface->list != nullptr && surface->batch_size != 0) return Code::kOk;
  return fail(error, Code::kSdk, "NvBufSurfaceFromFd: the surface behind file descriptor %d holds no picture", dma_fd);
}

MappedSurface::~MappedSurface() {
  if (is_mapped_) library_.unmap(surface_, 0, -1);
  if (own_ != nullptr) library_.destroy(own_);
}

Code MappedSurface::map(int dma_fd, abi::Error* error) noexcept {
  Surface* surface = nullptr;
  if (Code code = find_surface(library_, dma_fd, surface, error); code != Code::kOk) return code;
  if (surface->list[0].layout == kPitch) return map(surface, error);
  if (Code code = convert(*surface, error); code != Code::kOk) return code;
  return map(own_, error);
}

Code MappedSurface::convert(Surface& block_linear, abi::Error* error) noexcept {
  if (library_.transform == nullptr) {
    return fail(error, Code::kUnsupported, "the surface is block linear, and %s, which undoes it, is not there",
                kTransformSoname);
  }
  if (own_ != nullptr) return fail(error, Code::kInternal, "a surface is mapped already");
  const SurfaceParams& source = block_linear.list[0];
  CreateParams wish{block_linear.gpu, source.width_px, source.height_px, 0, false, source.color_format, kPitch,
                    kSurfaceArray};
  if (library_.create(&own_, 1, &wish) != 0 || own_ == nullptr) {
    own_ = nullptr;
    return fail(error, Code::kSdk, "NvBufSurfaceCreate failed for %ux%u", source.width_px, source.height_px);
  }
  own_->filled = 1;
  TransformParams how{kTransformFilter, 0, 0, nullptr, nullptr};
  if (const int reason = library_.transform(&block_linear, own_, &how); reason != 0) {
    return fail(error, Code::kSdk, "NvBufSurfTransform: %d", reason);
  }
  return Code::kOk;
}

Code MappedSurface::map(Surface* surface, abi::Error* error) noexcept {
  if (surface_ != nullptr) return fail(error, Code::kInternal, "a surface is mapped already");
  if (surface->list == nullptr || surface->batch_size == 0) {
    return fail(error, Code::kInvalidArgument, "the surface holds no picture");
  }
  surface_ = surface;
  if (!needs_mapping(*surface)) return Code::kOk;
  if (library_.map(surface, 0, -1, kMapRead) != 0) return fail(error, Code::kSdk, "NvBufSurfaceMap failed");
  is_mapped_ = true;
  if (library_.sync_for_cpu(surface, 0, -1) != 0) return fail(error, Code::kSdk, "NvBufSurfaceSyncForCpu failed");
  return Code::kOk;
}

Code MappedSurface::picture(abi::Picture& picture, abi::Error* error) const noexcept {
  if (surface_ == nullptr) return fail(error, Code::kInternal, "no surface is mapped");
  const SurfaceParams& params = surface_->list[0];
  const Format* format = find_format(params.color_format);
  if (format == nullptr) {
    return fail(error, Code::kUnsupported, "colour format %d of NvBufSurface is not supported; known: 8-bit grey, YUV and NV12",
                static_cast<int>(params.color_format));
  }
  if (params.layout != kPitch) {
    return fail(error, Code::kUnsupported, "the surface is block linear; have it converted to pitch linear");
  }
  const std::uint32_t count = plane_count(format->layout);
  if (params.planes.count != count) {
    return fail(error, Code::kSdk, "the surface has %u planes, its colour format %u", params.planes.count, count);
  }
  abi::Picture found;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto* own = static_cast<unsigned char*>(params.data);
    void* address = is_mapped_ ? params.mapped.address[i] : own == nullptr ? nullptr : own + params.planes.offset_bytes[i];
    if (address == nullptr) return fail(error, Code::kSdk, "plane %u of the surface has no address", i);
    found.planes[i] = address;
    found.stride_bytes[i] = static_cast<std::int32_t>(params.planes.pitch_bytes[i]);
  }
  found.width_px = static_cast<std::int32_t>(params.width_px);
  found.height_px = static_cast<std::int32_t>(params.height_px);
  found.layout = format->layout;
  found.chroma_shift_x = found.chroma_shift_y = format->chroma_shift;
  found.matrix = format->matrix;
  found.range = format->range;
  found.place = abi::Place::kHost;
  picture = found;
  return Code::kOk;
}

}  // namespace edgecore::nvbuf
