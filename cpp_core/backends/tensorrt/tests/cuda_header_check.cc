// Compile-only: our declarations against a real cuda.h, when one is at hand. An object file from this is the proof;
// nothing links it.
#include <cuda.h>

#include "abi/cuda_driver.h"

#define SAME(ours, theirs) static_assert(offsetof(cuda::Copy2D, ours) == offsetof(CUDA_MEMCPY2D, theirs), #theirs)

static_assert(sizeof(cuda::Copy2D) == sizeof(CUDA_MEMCPY2D));
SAME(source_type, srcMemoryType);
SAME(source_host, srcHost);
SAME(source_device, srcDevice);
SAME(source_pitch, srcPitch);
SAME(target_x_bytes, dstXInBytes);
SAME(target_type, dstMemoryType);
SAME(target_device, dstDevice);
SAME(target_pitch, dstPitch);
SAME(width_bytes, WidthInBytes);
SAME(height, Height);

static_assert(sizeof(cuda::DevicePointer) == sizeof(CUdeviceptr) && sizeof(cuda::Device) == sizeof(CUdevice));
static_assert(int{cuda::kMajor} == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(int{cuda::kMinor} == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(int{cuda::kIntegrated} == CU_DEVICE_ATTRIBUTE_INTEGRATED);
static_assert(int{cuda::kMultiprocessorCount} == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(cuda::kHostAllocPortable == CU_MEMHOSTALLOC_PORTABLE);
static_assert(cuda::kHostAllocDeviceMap == CU_MEMHOSTALLOC_DEVICEMAP);
static_assert(cuda::kStreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(cuda::kEventDefault == CU_EVENT_DEFAULT && cuda::kEventDisableTiming == CU_EVENT_DISABLE_TIMING);
static_assert(cuda::kErrorOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY && cuda::kErrorNoDevice == CUDA_ERROR_NO_DEVICE);
static_assert(cuda::kErrorNotReady == CUDA_ERROR_NOT_READY);
static_assert(cuda::kErrorNoBinaryForGpu == CUDA_ERROR_NO_BINARY_FOR_GPU);
static_assert(cuda::kErrorJitCompilerNotFound == CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
static_assert(cuda::kErrorUnsupportedPtxVersion == CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
static_assert(cuda::kErrorJitCompilationDisabled == CUDA_ERROR_JIT_COMPILATION_DISABLED);
static_assert(unsigned{cuda::kHostMemory} == CU_MEMORYTYPE_HOST);
static_assert(unsigned{cuda::kDeviceMemory} == CU_MEMORYTYPE_DEVICE);
