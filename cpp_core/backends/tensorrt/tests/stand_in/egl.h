// EGL images of the stand-ins: made by that of libnvbufsurface, registered with that of libcuda.
#pragma once

#include <cstddef>

#include "surface_file.h"

namespace stand_in {

inline constexpr const char* kEglImage = "EGL image";
inline constexpr const char* kArray = "array";

/// What an EGLImage points to here.
struct EglImage {
  SurfaceFile facts;
  unsigned char* bytes = nullptr;
  int registrations = 0;  // it may not go while CUDA has it
};

/// A row of an array, from its beginning; false: it has not so much.
bool read_array(const void* array, std::size_t row, std::size_t size_bytes, unsigned char* target);

}  // namespace stand_in
