// Stand-in for libnvbufsurftransform.so, for tests alone: a surface's samples into one of another layout, by their files.

#include <sys/mman.h>

#include "abi/nvbufsurface.h"
#include "surface_file.h"

namespace nvbuf = edgecore::nvbuf;

extern "C" __attribute__((visibility("default"))) int NvBufSurfTransform(nvbuf::Surface* source, nvbuf::Surface* target,
                                                                         nvbuf::TransformParams* how) {
  constexpr int kInvalid = -3;
  stand_in::SurfaceFile from, to;
  const int from_fd = static_cast<int>(source->list[0].dma_fd), to_fd = static_cast<int>(target->list[0].dma_fd);
  if (how->flags != nvbuf::kTransformFilter || how->flip != 0 || how->source_rectangles != nullptr) return kInvalid;
  if (!stand_in::read_surface_file(from_fd, from) || !stand_in::read_surface_file(to_fd, to)) return kInvalid;
  if (from.width_px != to.width_px || from.height_px != to.height_px || from.color_format != to.color_format) return kInvalid;
  void* const seen = mmap(nullptr, from.data_bytes, PROT_READ, MAP_SHARED, from_fd, 0);
  void* const made = mmap(nullptr, to.data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, to_fd, 0);
  if (seen == MAP_FAILED || made == MAP_FAILED) return kInvalid;
  for (std::uint32_t plane = 0; plane < from.plane_count; ++plane) {
    for (std::size_t y = 0; y < from.rows[plane]; ++y) {
      for (std::size_t x = 0; x < from.row_bytes[plane]; ++x) {
        static_cast<unsigned char*>(made)[surface_offset(to, plane, x, y)] =
            static_cast<const unsigned char*>(seen)[surface_offset(from, plane, x, y)];
      }
    }
  }
  munmap(seen, from.data_bytes);
  munmap(made, to.data_bytes);
  return 0;
}
