// Pictures -> model input on the GPU. The arithmetic is that of edgecore/preprocess.h, bit for bit.
#pragma once

#include "cuda.h"
#include "edgecore/abi.h"
#include "picture_plan.h"
#include "surface_views.h"

namespace edgecore::tensorrt {

/// The kernels, loaded into one GPU.
class PictureKernels {
 public:
  /// kUnsupported, with the reason, where this module carries no code for the GPU and driver at hand.
  abi::Code load(const Gpu& gpu, abi::Error* error) noexcept;

  explicit operator bool() const noexcept { return gpu_ != nullptr; }
  const Gpu& gpu() const noexcept { return *gpu_; }
  cuda::Function* function(abi::PixelLayout layout) const noexcept { return functions_[static_cast<int>(layout)]; }

 private:
  const Gpu* gpu_ = nullptr;
  CodeModule module_;
  cuda::Function* functions_[3] = {};
};

/// What one slot needs to turn pictures into model inputs: staging for those of the host, and where their samples go.
/// One thread at a time.
class PictureFeed {
 public:
  /// Enqueues upload (of a host picture) and kernel on `stream`; `target` has room for the input, float32. The picture
  /// may go once the call is over if it was in host memory, else once the stream got there.
  /// kUnsupported: not this picture.
  abi::Code prepare(const PictureKernels& kernels, const abi::Picture& picture, const abi::PictureInput& wish,
                    const Stream& stream, cuda::DevicePointer target, abi::CopyCounts& copies,
                    abi::Error* error) noexcept;

  /// A picture of the box's own decoder, in a dma-buf, as one in device memory: where it lies if its rows do so one after
  /// the other, else a copy within that memory, enqueued, into what this feed has.
  abi::Code bring(const Gpu& gpu, const SurfaceView& view, const abi::Picture& picture, const Stream& stream,
                  abi::Picture& device, abi::Error* error) noexcept;

 private:
  abi::Code upload(const Gpu& gpu, const abi::Picture& host, const Stream& stream, abi::Picture& device,
                   abi::CopyCounts& copies, abi::Error* error) noexcept;
  abi::Code plan(const Gpu& gpu, const Geometry& geometry, const Stream& stream, abi::Error* error) noexcept;

  PinnedMemory staged_picture_, staged_taps_;
  DeviceMemory picture_, taps_;
  Geometry planned_;
};

}  // namespace edgecore::tensorrt
