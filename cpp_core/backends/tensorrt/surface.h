// Pictures in the box's own dma-buf memory, seen by the CPU: without a copy where they are pitch linear.
#pragma once

#include "abi/nvbufsurface.h"
#include "edgecore/abi.h"

namespace edgecore::nvbuf {

/// The opened library. One per process, never closed.
struct Library {
  Create create = nullptr;
  Destroy destroy = nullptr;
  FromFd from_fd = nullptr;
  Map map = nullptr;
  UnMap unmap = nullptr;
  SyncForCpu sync_for_cpu = nullptr;
  // May be missing: on servers, which have no such images, and where the second library is not.
  MapEglImage map_egl_image = nullptr;
  UnMapEglImage unmap_egl_image = nullptr;
  Transform transform = nullptr;
};

/// kNotFound with the loader's words where the box has none: pictures then come in host or device memory only.
abi::Code open_library(Library& library, abi::Error* error) noexcept;

/// One mapped surface; unmaps itself. Move-only.
class MappedSurface {
 public:
  explicit MappedSurface(const Library& library) noexcept : library_(library) {}
  MappedSurface(const MappedSurface&) = delete;
  MappedSurface& operator=(const MappedSurface&) = delete;
  ~MappedSurface();

  /// The surface behind a dma-buf of the decoder's. It stays the decoder's. A block-linear one is converted by the box's
  /// video compositor (VIC) into one of our own first: one copy, by hardware, and a surface made for each call.
  abi::Code map(int dma_fd, abi::Error* error) noexcept;
  /// Picture 0 of a surface; its memory may be of any type that the CPU reaches.
  abi::Code map(Surface* surface, abi::Error* error) noexcept;

  /// Place kHost, planes in the surface's memory, valid as long as this object. kUnsupported: a pixel layout that
  /// no decoder of ours gives (RGB, 10 bit, block linear).
  abi::Code picture(abi::Picture& picture, abi::Error* error) const noexcept;

 private:
  abi::Code convert(Surface& block_linear, abi::Error* error) noexcept;

  const Library& library_;
  Surface* surface_ = nullptr;
  Surface* own_ = nullptr;
  bool is_mapped_ = false;
};

/// The surface behind a dma-buf of somebody else's, whose it stays. kSdk: none, or one without a picture.
abi::Code find_surface(const Library& library, int dma_fd, Surface*& surface, abi::Error* error) noexcept;

std::uint32_t plane_count(abi::PixelLayout layout) noexcept;

}  // namespace edgecore::nvbuf
