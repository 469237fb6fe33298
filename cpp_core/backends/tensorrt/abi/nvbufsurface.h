// Our own declarations of NvBufSurface: pictures in the box's dma-buf memory, as its hardware decoders give them.
//
// Source: the Jetson Linux API reference, "Buffer Manager"; sizes and offsets as in the releases R32.4 to R36.2 (unused
// tails of the structures are reserved there, so that later releases kept them).
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgecore::nvbuf {

inline constexpr std::size_t kMaxPlanes = 4;
inline constexpr char kSoname[] = "libnvbufsurface.so";
inline constexpr char kTransformSoname[] = "libnvbufsurftransform.so";

enum ColorFormat : std::int32_t {
  kGray8 = 1,
  kYuv420 = 2,
  kYuv420Full = 4,
  kNv12 = 6,
  kNv12Full = 7,
  kYuv444 = 18,
  kYuv420Bt709 = 31,
  kYuv420Bt709Full = 32,
  kNv12Bt709 = 33,
  kNv12Bt709Full = 34,
};
enum Layout : std::int32_t { kPitch = 0, kBlockLinear = 1 };
enum MemoryType : std::int32_t { kDefaultMemory = 0, kSurfaceArray = 4, kHandle = 5, kSystem = 6 };
enum MapFlags : std::int32_t { kMapRead = 0 };

struct PlaneParams {
  std::uint32_t count;
  std::uint32_t width_px[kMaxPlanes];
  std::uint32_t height_px[kMaxPlanes];
  std::uint32_t pitch_bytes[kMaxPlanes];
  std::uint32_t offset_bytes[kMaxPlanes];
  std::uint32_t size_bytes[kMaxPlanes];
  std::uint32_t bytes_per_sample[kMaxPlanes];
  void* reserved[4 * kMaxPlanes];
};

struct MappedAddress {
  void* address[kMaxPlanes];
  void* egl_image;
  void* reserved[4];
};

struct SurfaceParams {
  std::uint32_t width_px;
  std::uint32_t height_px;
  std::uint32_t pitch_bytes;
  ColorFormat color_format;
  Layout layout;
  std::uint64_t dma_fd;
  std::uint32_t size_bytes;
  void* data;  // not for kSurfaceArray and kHandle, whose bytes are reached by mapping
  PlaneParams planes;
  MappedAddress mapped;
  void* extended;
  void* reserved[3];
};

struct Surface {
  std::uint32_t gpu;
  std::uint32_t batch_size;
  std::uint32_t filled;
  bool is_contiguous;
  MemoryType memory_type;
  SurfaceParams* list;
  void* reserved[4];
};

struct CreateParams {
  std::uint32_t gpu;
  std::uint32_t width_px;
  std::uint32_t height_px;
  std::uint32_t size_bytes;  // 0: follows from the rest
  bool is_contiguous;
  ColorFormat color_format;
  Layout layout;
  MemoryType memory_type;
};

/// Source and order: the same reference, "NvBufSurfTransform Types"; read alike in three public copies of R32's and R35's
/// header. Rectangles are optional: which of the fields count is in `flags`.
struct TransformParams {
  std::uint32_t flags;
  std::int32_t flip;
  std::int32_t filter;
  void* source_rectangles;
  void* target_rectangles;
};
inline constexpr std::uint32_t kTransformFilter = 1 << 2;  // `filter` counts; 0 is the nearest sample

static_assert(sizeof(TransformParams) == 32 && offsetof(TransformParams, source_rectangles) == 16);
static_assert(sizeof(PlaneParams) == 232 && offsetof(PlaneParams, reserved) == 104);
static_assert(sizeof(MappedAddress) == 72);
static_assert(sizeof(SurfaceParams) == 384 && offsetof(SurfaceParams, dma_fd) == 24 &&
              offsetof(SurfaceParams, data) == 40 && offsetof(SurfaceParams, planes) == 48 &&
              offsetof(SurfaceParams, mapped) == 280);
static_assert(sizeof(Surface) == 64 && offsetof(Surface, memory_type) == 16 && offsetof(Surface, list) == 24);
static_assert(sizeof(CreateParams) == 32 && offsetof(CreateParams, color_format) == 20);

// Each returns 0, or -1 after having printed why.
using Create = int (*)(Surface** surface, std::uint32_t batch_size, CreateParams* wish);
using Destroy = int (*)(Surface* surface);
using FromFd = int (*)(int dma_fd, void** surface);
using Map = int (*)(Surface* surface, int index, int plane, MapFlags flags);
using UnMap = int (*)(Surface* surface, int index, int plane);
using SyncForCpu = int (*)(Surface* surface, int index, int plane);
using MapEglImage = int (*)(Surface* surface, int index);  // into SurfaceParams::mapped.egl_image
using UnMapEglImage = int (*)(Surface* surface, int index);
using Transform = int (*)(Surface* source, Surface* target, TransformParams* how);  // 0 or a negative reason

}  // namespace edgecore::nvbuf
