// The part of nvJPEG's C API that this module calls, declared by us. Names, values and order: nvJPEG documentation,
// sections "Types", "Decode API" and "Status"; the same from 11.9 to 13.3, whose headers tests/nvjpeg_header_check.cc
// was compiled with.
#pragma once

#include <cstddef>

#include "abi/cuda_driver.h"

namespace nvjpeg {

struct Handle;
struct State;

enum Status : int {
  kSuccess = 0,
  kNotInitialized = 1,
  kInvalidParameter = 2,
  kBadJpeg = 3,
  kJpegNotSupported = 4,
  kAllocatorFailure = 5,
  kExecutionFailed = 6,
  kArchMismatch = 7,
  kInternalError = 8,
  kImplementationNotSupported = 9,
  kIncompleteBitstream = 10,
};
enum Backend : int { kDefault = 0 };
enum Subsampling : int { k444 = 0, k422 = 1, k420 = 2, k440 = 3, kGray = 6 };
enum OutputFormat : int { kYuv = 1, kY = 2 };
enum Property : int { kMajor = 0, kMinor = 1, kPatch = 2 };  // libraryPropertyType

inline constexpr int kMaxComponents = 4;

struct Image {
  unsigned char* channel[kMaxComponents];
  std::size_t pitch[kMaxComponents];
};
static_assert(sizeof(Image) == 64 && offsetof(Image, pitch) == 32, "nvjpegImage_t on LP64");

/// One pointer per function, in the order of kSymbols.
struct Api {
  Status (*nvjpegGetProperty)(Property property, int* value);
  Status (*nvjpegCreateEx)(Backend backend, void* device_allocator, void* pinned_allocator, unsigned flags,
                           Handle** handle);
  Status (*nvjpegDestroy)(Handle* handle);
  Status (*nvjpegJpegStateCreate)(Handle* handle, State** state);
  Status (*nvjpegJpegStateDestroy)(State* state);
  Status (*nvjpegGetImageInfo)(Handle* handle, const unsigned char* data, std::size_t size, int* components,
                               Subsampling* subsampling, int* widths, int* heights);
  Status (*nvjpegDecode)(Handle* handle, State* state, const unsigned char* data, std::size_t size,
                         OutputFormat format, Image* image, cuda::Stream* stream);
};
inline constexpr const char* kSymbols[] = {
    "nvjpegGetProperty",     "nvjpegCreateEx",         "nvjpegDestroy", "nvjpegJpegStateCreate",
    "nvjpegJpegStateDestroy", "nvjpegGetImageInfo", "nvjpegDecode",
};
static_assert(sizeof(Api) == sizeof kSymbols, "one symbol per function");

}  // namespace nvjpeg
