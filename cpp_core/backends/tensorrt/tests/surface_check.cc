// Reads a picture out of surfaces that NVIDIA's own library made in system memory, plane by plane.

#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "surface.h"

namespace {

using namespace edgecore;

struct Case {
  const char* name;
  nvbuf::ColorFormat format;
  int planes;
  int chroma_shift;
  abi::ColorMatrix matrix;
  abi::ColorRange range;
};
constexpr Case kCases[] = {
    {"gray", nvbuf::kGray8, 1, 0, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
    {"yuv420", nvbuf::kYuv420, 3, 1, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
    {"nv12", nvbuf::kNv12, 2, 1, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
    {"nv12 full", nvbuf::kNv12Full, 2, 1, abi::ColorMatrix::kBt601, abi::ColorRange::kFull},
    {"nv12 bt709", nvbuf::kNv12Bt709, 2, 1, abi::ColorMatrix::kBt709, abi::ColorRange::kLimited},
    {"yuv444", nvbuf::kYuv444, 3, 0, abi::ColorMatrix::kBt601, abi::ColorRange::kLimited},
};

int failures = 0;

void check(bool is_right, const char* name, const char* promise) {
  if (is_right) return;
  std::printf("%s: not so: %s\n", name, promise);
  ++failures;
}

unsigned char sample(std::uint32_t plane, std::uint32_t x, std::uint32_t y) {
  return static_cast<unsigned char>(plane * 71 + x * 3 + y * 5);
}

/// Row by row through the library's own fields, so that picture() is compared with something else than itself.
void fill(const nvbuf::SurfaceParams& params) {
  for (std::uint32_t plane = 0; plane < params.planes.count; ++plane) {
    auto* start = static_cast<unsigned char*>(params.data) + params.planes.offset_bytes[plane];
    const std::uint32_t width = params.planes.width_px[plane] * params.planes.bytes_per_sample[plane];
    for (std::uint32_t y = 0; y < params.planes.height_px[plane]; ++y) {
      for (std::uint32_t x = 0; x < width; ++x) start[y * params.planes.pitch_bytes[plane] + x] = sample(plane, x, y);
    }
  }
}

void run(const nvbuf::Library& library, const Case& wanted) {
  nvbuf::CreateParams wish{0, 70, 38, 0, false, wanted.format, nvbuf::kPitch, nvbuf::kSystem};
  nvbuf::Surface* surface = nullptr;
  if (library.create(&surface, 1, &wish) != 0 || surface == nullptr) {
    check(false, wanted.name, "the library makes the surface");
    return;
  }
  const nvbuf::SurfaceParams& params = surface->list[0];
  check(params.width_px == 70 && params.height_px == 38, wanted.name, "the size is where we declare it");
  fill(params);
  {
    nvbuf::MappedSurface mapped(library);
    abi::Picture picture;
    abi::Error error;
    if (mapped.map(surface, &error) != abi::Code::kOk || mapped.picture(picture, &error) != abi::Code::kOk) {
      std::printf("%s: %s\n", wanted.name, error.text);
      ++failures;
    } else {
      check(picture.width_px == 70 && picture.height_px == 38, wanted.name, "the picture has the surface's size");
      check(picture.chroma_shift_x == wanted.chroma_shift, wanted.name, "its subsampling");
      check(picture.matrix == wanted.matrix && picture.range == wanted.range, wanted.name, "its colours");
      bool is_equal = true;
      for (int plane = 0; plane < wanted.planes; ++plane) {
        const bool is_luma = plane == 0;
        const int width = is_luma ? 70 : (70 >> wanted.chroma_shift) * (wanted.planes == 2 ? 2 : 1);
        const int height = is_luma ? 38 : 38 >> wanted.chroma_shift;
        const auto* rows = static_cast<const unsigned char*>(picture.planes[plane]);
        for (int y = 0; y < height; ++y) {
          for (int x = 0; x < width; ++x) {
            is_equal = is_equal && rows[y * picture.stride_bytes[plane] + x] ==
                                       sample(static_cast<std::uint32_t>(plane), static_cast<std::uint32_t>(x),
                                              static_cast<std::uint32_t>(y));
          }
        }
      }
      check(is_equal, wanted.name, "every sample is the one that was written");
    }
  }
  check(library.destroy(surface) == 0, wanted.name, "the library takes the surface back");
}

/// A format without a layout of ours is said, not misread.
void refuse(const nvbuf::Library& library) {
  nvbuf::CreateParams wish{0, 64, 64, 0, false, static_cast<nvbuf::ColorFormat>(19), nvbuf::kPitch, nvbuf::kSystem};
  nvbuf::Surface* surface = nullptr;
  if (library.create(&surface, 1, &wish) != 0) return check(false, "rgba", "the library makes the surface");
  {
    nvbuf::MappedSurface mapped(library);
    abi::Picture picture;
    check(mapped.map(surface, nullptr) == abi::Code::kOk, "rgba", "it can be mapped");
    check(mapped.picture(picture, nullptr) == abi::Code::kUnsupported, "rgba", "it is refused");
  }
  library.destroy(surface);
}

}  // namespace

int main() {
  nvbuf::Library library;
  abi::Error error;
  if (nvbuf::open_library(library, &error) != abi::Code::kOk) {
    std::printf("%s\n", error.text);
    return 2;
  }
  for (const Case& wanted : kCases) run(library, wanted);
  refuse(library);
  std::printf("%zu formats, %d failures\n", std::size(kCases) + 1, failures);
  return failures == 0 ? 0 : 1;
}
