// The part of the CUDA driver API that this module calls, declared by us, so that no header of the toolkit is needed
// to compile and no CUDA runtime library to run: libcuda.so.1 comes with the driver of every box that has one.
//
// Functions, handles and values: "CUDA Driver API" reference manual, sections 6.2 to 6.20 (Initialization, Device
// Management, Primary Context Management, Memory Management, Stream, Event, Module, Execution Control). All handles
// are opaque pointers; a CUdeviceptr is 64 bits wide on LP64. A function whose signature changed once is exported
// under both names (cuMemAlloc, cuMemAlloc_v2): the table below names the symbol that has the signature shown.
// CUstream and the runtime API's cudaStream_t are the same type ("CUDA Runtime API", section 6.33), so a stream made
// here serves every library that wants a cudaStream_t.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda {

using Result = int;  // CUresult
inline constexpr Result kSuccess = 0;
inline constexpr Result kErrorOutOfMemory = 2;
inline constexpr Result kErrorNoDevice = 100;
inline constexpr Result kErrorNoBinaryForGpu = 209;
inline constexpr Result kErrorJitCompilerNotFound = 221;
inline constexpr Result kErrorUnsupportedPtxVersion = 222;
inline constexpr Result kErrorJitCompilationDisabled = 223;
inline constexpr Result kErrorNotReady = 600;

using Device = int;               // CUdevice
using DevicePointer = std::uint64_t;  // CUdeviceptr
struct Context;
struct Event;
struct Function;
struct Module;
struct Stream;

enum Attribute : int {  // CUdevice_attribute
  kMultiprocessorCount = 16,
  kIntegrated = 18,  // shares its memory with the CPU
  kMajor = 75,       // of the compute capability
  kMinor = 76,
};

inline constexpr unsigned kHostAllocPortable = 1;   // CU_MEMHOSTALLOC_PORTABLE: pinned for every context
inline constexpr unsigned kHostAllocDeviceMap = 2;  // CU_MEMHOSTALLOC_DEVICEMAP: the GPU has an address for it
inline constexpr unsigned kStreamNonBlocking = 1;   // CU_STREAM_NON_BLOCKING: no order with the default stream
inline constexpr unsigned kEventDefault = 0;
inline constexpr unsigned kEventDisableTiming = 2;

enum MemoryType : unsigned { kHostMemory = 1, kDeviceMemory = 2, kArrayMemory = 3 };  // CUmemorytype

/// CUDA_MEMCPY2D (its v2 layout).
struct Copy2D {
  std::size_t source_x_bytes = 0;
  std::size_t source_y = 0;
  MemoryType source_type = kHostMemory;
  const void* source_host = nullptr;
  DevicePointer source_device = 0;
  void* source_array = nullptr;
  std::size_t source_pitch = 0;
  std::size_t target_x_bytes = 0;
  std::size_t target_y = 0;
  MemoryType target_type = kHostMemory;
  void* target_host = nullptr;
  DevicePointer target_device = 0;
  void* target_array = nullptr;
  std::size_t target_pitch = 0;
  std::size_t width_bytes = 0;
  std::size_t height = 0;
};
static_assert(sizeof(void*) == 8 && sizeof(std::size_t) == 8, "the layouts here are those of LP64");
static_assert(offsetof(Copy2D, source_host) == 24 && offsetof(Copy2D, target_x_bytes) == 56, "CUDA_MEMCPY2D");
static_assert(offsetof(Copy2D, width_bytes) == 112 && sizeof(Copy2D) == 128, "CUDA_MEMCPY2D");

/// One pointer per function, filled by dlsym. Names are the API's own; kSymbols below has the exported ones.
struct Api {
  Result (*cuInit)(unsigned flags);
  Result (*cuDriverGetVersion)(int* version);  // 12040 is 12.4
  Result (*cuGetErrorName)(Result error, const char** name);
  Result (*cuGetErrorString)(Result error, const char** text);
  Result (*cuDeviceGetCount)(int* count);
  Result (*cuDeviceGet)(Device* device, int ordinal);
  Result (*cuDeviceGetName)(char* name, int size, Device device);
  Result (*cuDeviceGetAttribute)(int* value, Attribute attribute, Device device);
  Result (*cuDevicePrimaryCtxRetain)(Context** context, Device device);
  Result (*cuDevicePrimaryCtxRelease)(Device device);
  Result (*cuCtxPushCurrent)(Context* context);
  Result (*cuCtxPopCurrent)(Context** context);
  Result (*cuMemAlloc)(DevicePointer* pointer, std::size_t size);
  Result (*cuMemFree)(DevicePointer pointer);
  Result (*cuMemHostAlloc)(void** pointer, std::size_t size, unsigned flags);
  Result (*cuMemHostGetDevicePointer)(DevicePointer* device, void* host, unsigned flags);
  Result (*cuMemFreeHost)(void* pointer);
  Result (*cuMemcpyHtoDAsync)(DevicePointer target, const void* source, std::size_t size, Stream* stream);
  Result (*cuMemcpyDtoHAsync)(void* target, DevicePointer source, std::size_t size, Stream* stream);
  Result (*cuMemcpy2DAsync)(const Copy2D* copy, Stream* stream);
  Result (*cuStreamCreate)(Stream** stream, unsigned flags);
  Result (*cuStreamSynchronize)(Stream* stream);
  Result (*cuStreamWaitEvent)(Stream* stream, Event* event, unsigned flags);
  Result (*cuStreamDestroy)(Stream* stream);
  Result (*cuEventCreate)(Event** event, unsigned flags);
  Result (*cuEventRecord)(Event* event, Stream* stream);
  Result (*cuEventQuery)(Event* event);
  Result (*cuEventSynchronize)(Event* event);
  Result (*cuEventElapsedTime)(float* milliseconds, Event* start, Event* end);
  Result (*cuEventDestroy)(Event* event);
  Result (*cuModuleLoadData)(Module** module, const void* image);
  Result (*cuModuleUnload)(Module* module);
  Result (*cuModuleGetFunction)(Function** function, Module* module, const char* name);
  Result (*cuLaunchKernel)(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                           unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream* stream,
                           void** parameters, void** extra);
};

/// The exported name of each entry of Api, in its order. `older`: what a driver before the newer name exports, with
/// the same signature (cuDevicePrimaryCtxRelease_v2 came with CUDA 11.0; JetPack 4.6 has 10.2).
struct Symbol {
  const char* name;
  const char* older;
};
inline constexpr Symbol kSymbols[] = {
    {"cuInit", nullptr},
    {"cuDriverGetVersion", nullptr},
    {"cuGetErrorName", nullptr},
    {"cuGetErrorString", nullptr},
    {"cuDeviceGetCount", nullptr},
    {"cuDeviceGet", nullptr},
    {"cuDeviceGetName", nullptr},
    {"cuDeviceGetAttribute", nullptr},
    {"cuDevicePrimaryCtxRetain", nullptr},
    {"cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRelease"},
    {"cuCtxPushCurrent_v2", nullptr},
    {"cuCtxPopCurrent_v2", nullptr},
    {"cuMemAlloc_v2", nullptr},
    {"cuMemFree_v2", nullptr},
    {"cuMemHostAlloc", nullptr},
    {"cuMemHostGetDevicePointer_v2", nullptr},
    {"cuMemFreeHost", nullptr},
    {"cuMemcpyHtoDAsync_v2", nullptr},
    {"cuMemcpyDtoHAsync_v2", nullptr},
    {"cuMemcpy2DAsync_v2", nullptr},
    {"cuStreamCreate", nullptr},
    {"cuStreamSynchronize", nullptr},
    {"cuStreamWaitEvent", nullptr},
    {"cuStreamDestroy_v2", nullptr},
    {"cuEventCreate", nullptr},
    {"cuEventRecord", nullptr},
    {"cuEventQuery", nullptr},
    {"cuEventSynchronize", nullptr},
    {"cuEventElapsedTime", nullptr},
    {"cuEventDestroy_v2", nullptr},
    {"cuModuleLoadData", nullptr},
    {"cuModuleUnload", nullptr},
    {"cuModuleGetFunction", nullptr},
    {"cuLaunchKernel", nullptr},
};
inline constexpr std::size_t kSymbolCount = sizeof kSymbols / sizeof kSymbols[0];
static_assert(sizeof(Api) == kSymbolCount * sizeof(void*), "one symbol per function");

}  // namespace cuda
