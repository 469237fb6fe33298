// Pictures in dma-bufs of a Jetson's decoder as the GPU reaches them: NvBufSurface -> EGL image -> CUDA.
#pragma once

#include <memory>
#include <vector>

#include <sys/types.h>

#include "abi/cuda_egl.h"
#include "cuda.h"
#include "edgecore/abi.h"
#include "surface.h"

namespace edgecore::tensorrt {

/// One dma-buf, registered. Its memory is the decoder's.
struct SurfaceView {
  int fd = -1;
  dev_t device = 0;
  ino_t inode = 0;
  nvbuf::Surface* surface = nullptr;
  cuda::Resource* resource = nullptr;
  cuda::EglFrame frame{};
  std::int32_t pitch_bytes[3] = {};  // the surface may be given up while a picture in its memory is still held
  bool has_image = false;  // that we had made
};

/// Registering costs about a frame's time, so it is done once for each buffer of the decoder's, and kept. A descriptor may
/// be closed and its number come back for another buffer: the file behind it tells. One thread at a time.
class SurfaceViews {
 public:
  SurfaceViews() = default;
  SurfaceViews(const SurfaceViews&) = delete;
  SurfaceViews& operator=(const SurfaceViews&) = delete;
  ~SurfaceViews();

  /// kUnsupported where the box has no NvBufSurface or EGL, or the dma-buf is none of its surfaces. `view` stays until
  /// its buffer is gone and another is asked for.
  abi::Code find(const Gpu& gpu, const abi::Picture& picture, const SurfaceView*& view, abi::Error* error) noexcept;

 private:
  abi::Code open(const Gpu& gpu, abi::Error* error) noexcept;
  abi::Code map(SurfaceView& view, abi::Error* error) noexcept;
  void drop(const SurfaceView& view) noexcept;
  void drop_those_gone() noexcept;

  const Gpu* gpu_ = nullptr;
  nvbuf::Library library_;
  cuda::EglApi api_{};
  abi::Code opened_ = abi::Code::kInternal;  // of the one attempt
  abi::Error reason_;
  std::vector<std::unique_ptr<SurfaceView>> views_;
};

/// The picture in device memory where the view is pitch linear; false where it is an array, which has to be copied.
bool is_pitch_linear(const SurfaceView& view, const abi::Picture& picture, abi::Picture& device) noexcept;

}  // namespace edgecore::tensorrt
