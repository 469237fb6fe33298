// EGL images in CUDA: how the GPU reaches a picture that another engine of a Jetson wrote.
//
// Source: "CUDA Driver API" reference manual, "EGL Interoperability" and "Graphics Interoperability"; layout and numbers
// compared with cudaEGL.h of CUDA 13.0 (package nvidia-cuda-runtime), and with the same structure of CUDA 10 in public copies.
#pragma once

#include "cuda_driver.h"

namespace cuda {

struct Array;     // opaque, whose memory only copies and textures know how to read
struct Resource;  // a registered image

enum EglFrameType : int { kEglArray = 0, kEglPitch = 1 };
inline constexpr int kUnsigned8 = 1;                 // CU_AD_FORMAT_UNSIGNED_INT8
inline constexpr unsigned kRegisterReadOnly = 1;     // CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY

/// CUeglFrame.
struct EglFrame {
  union {
    Array* arrays[3];
    void* pitch[3];
  };
  unsigned width;
  unsigned height;
  unsigned depth;
  unsigned pitch_bytes;  // of the first plane
  unsigned plane_count;
  unsigned channel_count;
  EglFrameType type;
  int color_format;
  int sample_format;
};
static_assert(sizeof(EglFrame) == 64 && offsetof(EglFrame, width) == 24 && offsetof(EglFrame, type) == 48);

/// Not every driver exports them: they are looked for when a picture needs them.
struct EglApi {
  Result (*cuGraphicsEGLRegisterImage)(Resource** resource, void* egl_image, unsigned flags);
  Result (*cuGraphicsResourceGetMappedEglFrame)(EglFrame* frame, Resource* resource, unsigned index, unsigned level);
  Result (*cuGraphicsUnregisterResource)(Resource* resource);
};

}  // namespace cuda
