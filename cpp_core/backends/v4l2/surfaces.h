// Pictures of a Jetson's decoder for the CPU: their dma-bufs are block linear, which NVIDIA's libraries alone undo.
#pragma once

#include "edgecore/abi.h"
#include "surface.h"

namespace edgecore::v4l2 {

class Surfaces {
 public:
  Surfaces() noexcept;

  /// kUnsupported where the box has no NvBufSurface, kSdk where it fails. `host` has the picture's size and layout.
  edgecore::abi::Code read(const edgecore::abi::Picture& picture, const edgecore::abi::Picture& host,
                           edgecore::abi::Error* error) noexcept;

 private:
  nvbuf::Library library_;
  edgecore::abi::Error reason_;
  edgecore::abi::Code opened_;  // last: opening fills the others
};

/// One per process: its libraries are never closed.
Surfaces& surfaces() noexcept;

}  // namespace edgecore::v4l2
