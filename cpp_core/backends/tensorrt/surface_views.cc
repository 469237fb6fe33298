#include "surface_views.h"

#include <algorithm>
#include <dlfcn.h>
#include <sys/stat.h>

#include "edgecore/module.h"
#include "picture_plan.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using module::fail;

template <typename Function>
bool look_up(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/// dma-bufs have numbers of their own since Linux 5.3 (from memory); NvBufSurface came with Jetson Linux 35, Linux 5.10.
bool is_behind(const SurfaceView& view, const struct stat& file) {
  return view.device == file.st_dev && view.inode == file.st_ino;
}

bool is_there(const SurfaceView& view) {
  struct stat file {};
  return fstat(view.fd, &file) == 0 && is_behind(view, file);
}

}  // namespace

SurfaceViews::~SurfaceViews() {
  for (const auto& view : views_) drop(*view);
}

Code SurfaceViews::open(const Gpu& gpu, Error* error) noexcept {
  gpu_ = &gpu;
  if (nvbuf::open_library(library_, error) != Code::kOk) return Code::kUnsupported;
  if (library_.map_egl_image == nullptr) {
    return fail(error, Code::kUnsupported, "%s makes no EGL images", nvbuf::kSoname);
  }
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // opened already
  if (driver == nullptr || !look_up(driver, "cuGraphicsEGLRegisterImage", api_.cuGraphicsEGLRegisterImage) ||
      !look_up(driver, "cuGraphicsResourceGetMappedEglFrame", api_.cuGraphicsResourceGetMappedEglFrame) ||
      !look_up(driver, "cuGraphicsUnregisterResource", api_.cuGraphicsUnregisterResource)) {
    return fail(error, Code::kUnsupported, "the driver takes no EGL images: %s", dlerror());
  }
  return Code::kOk;
}

Code SurfaceViews::find(const Gpu& gpu, const Picture& picture, const SurfaceView*& view, Error* error) noexcept {
  if (gpu_ == nullptr) opened_ = open(gpu, &reason_);
  if (opened_ != Code::kOk) return fail(error, Code::kUnsupported, "the picture is in a dma-buf: %.400s", reason_.text);
  struct stat file {};
  if (fstat(picture.dma_fd, &file) != 0) {
    return fail(error, Code::kInvalidArgument, "the picture's dma-buf %d is not open", picture.dma_fd);
  }
  const auto known = std::find_if(views_.begin(), views_.end(), [&](const std::unique_ptr<SurfaceView>& each) {
    return each->fd == picture.dma_fd && is_behind(*each, file);
  });
  const SurfaceView* found = known != views_.end() ? known->get() : nullptr;
  if (found == nullptr) {
    drop_those_gone();
    auto made = std::make_unique<SurfaceView>();
    made->fd = picture.dma_fd;
    made->device = file.st_dev;
    made->inode = file.st_ino;
    if (Code code = map(*made, error); code != Code::kOk) {
      drop(*made);
      return code;
    }
    found = made.get();
    views_.push_back(std::move(made));
  }
  const auto count = static_cast<unsigned>(plane_count(picture));
  if (found->frame.plane_count != count || found->frame.width < static_cast<unsigned>(picture.width_px) ||
      found->frame.height < static_cast<unsigned>(picture.height_px) || found->frame.sample_format != cuda::kUnsigned8) {
    return fail(error, Code::kUnsupported, "the surface is %ux%u in %u planes of type %d, the picture %dx%d in %u",
                found->frame.width, found->frame.height, found->frame.plane_count, found->frame.sample_format,
                picture.width_px, picture.height_px, count);
  }
  view = found;
  return Code::kOk;
}

Code SurfaceViews::map(SurfaceView& view, Error* error) noexcept {
  if (nvbuf::find_surface(library_, view.fd, view.surface, error) != Code::kOk) {
    view.surface = nullptr;
    if (error != nullptr) error->code = Code::kUnsupported;  // somebody else's dma-buf, which its decoder can read
    return Code::kUnsupported;
  }
  nvbuf::SurfaceParams& params = view.surface->list[0];
  for (int plane = 0; plane < 3; ++plane) {
    view.pitch_bytes[plane] = static_cast<std::int32_t>(params.planes.pitch_bytes[plane]);
  }
  if (params.mapped.egl_image == nullptr) {
    if (library_.map_egl_image(view.surface, 0) != 0 || params.mapped.egl_image == nullptr) {
      return fail(error, Code::kSdk, "NvBufSurfaceMapEglImage failed; unset DISPLAY where it names a screen elsewhere");
    }
    view.has_image = true;
  }
  const Current current(*gpu_, error);
  if (!current) return current.code();
  const cuda::Result registered =
      api_.cuGraphicsEGLRegisterImage(&view.resource, params.mapped.egl_image, cuda::kRegisterReadOnly);
  if (Code code = gpu_->check(registered, "cuGraphicsEGLRegisterImage", error); code != Code::kOk) {
    view.resource = nullptr;
    return code;
  }
  const cuda::Result mapped = api_.cuGraphicsResourceGetMappedEglFrame(&view.frame, view.resource, 0, 0);
  return gpu_->check(mapped, "cuGraphicsResourceGetMappedEglFrame", error);
}

void SurfaceViews::drop(const SurfaceView& view) noexcept {
  if (view.resource != nullptr) {
    const Current current(*gpu_);
    api_.cuGraphicsUnregisterResource(view.resource);
  }
  // A surface whose dma-buf its owner has closed is gone, and its image with it.
  if (view.has_image && is_there(view)) library_.unmap_egl_image(view.surface, 0);
}

void SurfaceViews::drop_those_gone() noexcept {
  for (std::size_t at = views_.size(); at-- > 0;) {
    if (is_there(*views_[at])) continue;
    drop(*views_[at]);
    views_.erase(views_.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

bool is_pitch_linear(const SurfaceView& view, const Picture& picture, Picture& device) noexcept {
  if (view.frame.type != cuda::kEglPitch) return false;
  device = picture;
  device.place = abi::Place::kDevice;
  device.dma_fd = -1;
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    device.planes[plane] = view.frame.pitch[plane];
    device.stride_bytes[plane] = view.pitch_bytes[plane];
  }
  return true;
}

}  // namespace edgecore::tensorrt
