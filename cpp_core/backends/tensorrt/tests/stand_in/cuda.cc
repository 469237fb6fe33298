// Stand-in for libcuda.so.1, for tests alone: the functions that the backend calls, under their exported names, on the
// CPU. It checks its caller: a context is current, handles are alive, sizes lie within allocations.
//
// EDGECORE_STAND_IN_DEVICES=N     devices, 1 by default; 0: cuInit fails as the driver's does without a GPU
// EDGECORE_STAND_IN_INTEGRATED=1  the GPU shares the CPU's memory, as on a Jetson (by default on arm64)

#include <cstdlib>
#include <cstring>
#include <vector>

#include "abi/cuda_driver.h"
#include "device.h"
#include "door.h"
#include "egl.h"
#include "kernels/picture_job.h"
#include "ledger.h"
#include "tests/host_kernels.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace stand_in {
namespace {

constexpr int kSuccess = 0;
constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNoDevice = 100;
constexpr int kInvalidContext = 201;
constexpr int kInvalidHandle = 400;
constexpr int kUnknown = 999;  // what an injected failure returns

constexpr const char* kDeviceMemory = "device memory";
constexpr const char* kPinnedMemory = "pinned memory";
constexpr const char* kStream = "stream";
constexpr const char* kEvent = "event";
constexpr const char* kModule = "module";

int g_primary;  // its address is the primary context
int g_retained = 0;
thread_local std::vector<void*> t_current;

int setting(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::atoi(value) : otherwise;
}

int device_count() { return setting("EDGECORE_STAND_IN_DEVICES", 1); }

bool is_integrated() {
#ifdef __aarch64__
  return setting("EDGECORE_STAND_IN_INTEGRATED", 1) != 0;
#else
  return setting("EDGECORE_STAND_IN_INTEGRATED", 0) != 0;
#endif
}

bool has_context(const char* call) {
  if (g_retained > 0 && !t_current.empty() && t_current.back() == &g_primary) return true;
  // Whoever frees may find that the context cannot be made current, and can but try all the same.
  if (Ledger::get().has_failed("cuCtxPushCurrent") && (std::strstr(call, "Free") || std::strstr(call, "Destroy") ||
                                                       std::strstr(call, "Unload") || std::strstr(call, "destructor"))) {
    return true;
  }
  Ledger::get().broken(text("%s: no context is current in this thread, or it was released", call));
  return false;
}

/// Every function begins with it: counts, fails the one that is to fail, asks for a context.
int begin(const char* call, bool needs_context = true) {
  if (needs_context && !has_context(call)) return kInvalidContext;
  return Ledger::get().fails(call) ? kUnknown : kSuccess;
}

void enqueue(void* stream, std::function<void()> run) { static_cast<Stream*>(stream)->pending.push_back({std::move(run), nullptr, 0}); }

/// Whole planes behind the job's device addresses; false where one is not the device's.
bool run_kernel(const char* name, edgecore::tensorrt::Extent grid, edgecore::tensorrt::Extent block,
                edgecore::tensorrt::PictureJob job) {
  Device& device = Device::get();
  const auto at = [&](auto*& pointer, int count) {
    using T = std::remove_reference_t<decltype(*pointer)>;
    if (pointer == nullptr) return true;
    pointer = reinterpret_cast<T*>(device.bytes(pointer, static_cast<std::size_t>(count) * sizeof(T), name));
    return pointer != nullptr;
  };
  const auto plane = [](int stride, int rows, int width) { return stride * (rows - 1) + width; };
  const bool is_semiplanar = std::strstr(name, "semiplanar") != nullptr;
  const bool is_gray = std::strstr(name, "gray") != nullptr;
  if (is_gray) job.planes[1] = nullptr;
  if (is_gray || is_semiplanar) job.planes[2] = nullptr;
  const int chroma_bytes = job.chroma_width * (is_semiplanar ? 2 : 1);
  if (!at(job.planes[0], plane(job.strides_bytes[0], job.luma_height, job.luma_width)) ||
      !at(job.planes[1], plane(job.strides_bytes[1], job.chroma_height, chroma_bytes)) ||
      !at(job.planes[2], plane(job.strides_bytes[2], job.chroma_height, chroma_bytes)) ||
      !at(job.columns, 2 * job.inner_width) || !at(job.rows, 2 * job.inner_height) ||
      !at(job.target, 3 * job.width * job.height)) {
    return false;
  }
  void* parameters[] = {&job};
  return edgecore::tensorrt::run_on_host(name, grid, block, parameters);
}

/// Both ends whole, wherever they are. Arrays are not laid out in rows.
void copy_rows(const cuda::Copy2D& rows) {
  const auto end = [&](cuda::MemoryType type, const void* host, cuda::DevicePointer device, std::size_t pitch) {
    if (type != cuda::kDeviceMemory) return static_cast<const unsigned char*>(host);
    const std::size_t size = pitch * (rows.height - 1) + rows.width_bytes;
    return const_cast<const unsigned char*>(Device::get().bytes(reinterpret_cast<void*>(device), size, "cuMemcpy2DAsync"));
  };
  const unsigned char* source = end(rows.source_type, rows.source_host, rows.source_device, rows.source_pitch);
  auto* target = const_cast<unsigned char*>(end(rows.target_type, rows.target_host, rows.target_device, rows.target_pitch));
  const bool is_array = rows.source_type == cuda::kArrayMemory;
  if (is_array && !Ledger::get().expect(kArray, rows.source_array, "cuMemcpy2DAsync")) return;
  if (target == nullptr || (source == nullptr && !is_array)) return;
  for (std::size_t y = 0; y < rows.height; ++y) {
    unsigned char* const row = target + y * rows.target_pitch;
    if (!is_array) {
      std::memcpy(row, source + y * rows.source_pitch, rows.width_bytes);
    } else if (!read_array(rows.source_array, y, rows.width_bytes, row)) {
      return Ledger::get().broken("cuMemcpy2DAsync: more than the array has");
    }
  }
}

constexpr const char* kKernels[] = {"edgecore_prepare_planar", "edgecore_prepare_semiplanar", "edgecore_prepare_gray"};

}  // namespace
}  // namespace stand_in

using namespace stand_in;  // NOLINT: what follows is C

EXPORT int cuInit(unsigned) {
  if (const int failed = begin("cuInit", false)) return failed;
  return device_count() > 0 ? kSuccess : kNoDevice;
}
EXPORT int cuDriverGetVersion(int* version) {
  *version = 12060;
  return begin("cuDriverGetVersion", false);
}
EXPORT int cuGetErrorName(int error, const char** name) {
  *name = error == kUnknown ? "CUDA_ERROR_UNKNOWN" : error == kNoDevice ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_STAND_IN";
  return kSuccess;
}
EXPORT int cuGetErrorString(int error, const char** words) {
  *words = error == kUnknown ? "a failure that the stand-in injected"
                             : error == kNoDevice ? "no CUDA-capable device is detected" : "the stand-in refuses the call";
  return kSuccess;
}
EXPORT int cuDeviceGetCount(int* count) {
  *count = device_count();
  return begin("cuDeviceGetCount", false);
}
EXPORT int cuDeviceGet(int* device, int ordinal) {
  if (const int failed = begin("cuDeviceGet", false)) return failed;
  *device = ordinal;
  return ordinal >= 0 && ordinal < device_count() ? kSuccess : 101;
}
EXPORT int cuDeviceGetName(char* name, int size, int) {
  std::strncpy(name, "stand-in", static_cast<std::size_t>(size));
  return begin("cuDeviceGetName", false);
}
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) {
  if (const int failed = begin("cuDeviceGetAttribute", false)) return failed;
  switch (attribute) {
    case 16: *value = 8; return kSuccess;                // multiprocessors
    case 18: *value = is_integrated(); return kSuccess;  // shares the host's memory
    case 75: *value = 8; return kSuccess;                // compute capability 8.7
    case 76: *value = 7; return kSuccess;
    default: return kInvalidValue;
  }
}
EXPORT int cuDevicePrimaryCtxRetain(void** context, int) {
  if (const int failed = begin("cuDevicePrimaryCtxRetain", false)) return failed;
  const Locked locked(Ledger::get().lock());
  if (g_retained++ == 0) Ledger::get().born("primary context", &g_primary);
  *context = &g_primary;
  return kSuccess;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int) {
  const Locked locked(Ledger::get().lock());
  if (g_retained == 0) Ledger::get().broken("cuDevicePrimaryCtxRelease: more often than retained");
  if (g_retained > 0 && --g_retained == 0) Ledger::get().died("primary context", &g_primary);
  return begin("cuDevicePrimaryCtxRelease", false);
}
EXPORT int cuCtxPushCurrent_v2(void* context) {
  if (!Ledger::get().expect("primary context", context, "cuCtxPushCurrent")) return kInvalidContext;
  if (const int failed = begin("cuCtxPushCurrent", false)) return failed;
  t_current.push_back(context);
  return kSuccess;
}
EXPORT int cuCtxPopCurrent_v2(void** context) {
  if (t_current.empty()) {
    Ledger::get().broken("cuCtxPopCurrent: none was pushed");
    return kInvalidContext;
  }
  *context = t_current.back();
  t_current.pop_back();
  return begin("cuCtxPopCurrent", false);
}

EXPORT int cuMemAlloc_v2(unsigned long long* pointer, std::size_t size) {
  if (const int failed = begin("cuMemAlloc")) return failed;
  const Locked locked(Ledger::get().lock());
  void* address = Device::get().allocate(size, false);
  if (address == nullptr) return size == 0 ? kInvalidValue : kOutOfMemory;
  Ledger::get().born(kDeviceMemory, address);
  *pointer = reinterpret_cast<std::uintptr_t>(address);
  return kSuccess;
}
EXPORT int cuMemFree_v2(unsigned long long pointer) {
  const Locked locked(Ledger::get().lock());
  void* address = reinterpret_cast<void*>(pointer);
  if (!Ledger::get().died(kDeviceMemory, address)) return kInvalidValue;
  Device::get().free(address, false);
  return begin("cuMemFree");
}
EXPORT int cuMemHostAlloc(void** pointer, std::size_t size, unsigned) {
  if (const int failed = begin("cuMemHostAlloc")) return failed;
  const Locked locked(Ledger::get().lock());
  void* address = Device::get().allocate(size, true);
  if (address == nullptr) return size == 0 ? kInvalidValue : kOutOfMemory;
  Ledger::get().born(kPinnedMemory, address);
  *pointer = address;
  return kSuccess;
}
EXPORT int cuMemHostGetDevicePointer_v2(unsigned long long* device, void* host, unsigned) {
  if (const int failed = begin("cuMemHostGetDevicePointer")) return failed;
  *device = reinterpret_cast<std::uintptr_t>(host);
  return Ledger::get().expect(kPinnedMemory, host, "cuMemHostGetDevicePointer") ? kSuccess : kInvalidValue;
}
EXPORT int cuMemFreeHost(void* pointer) {
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().died(kPinnedMemory, pointer)) return kInvalidValue;
  Device::get().free(pointer, true);
  return begin("cuMemFreeHost");
}

EXPORT int cuMemcpyHtoDAsync_v2(unsigned long long target, const void* source, std::size_t size, void* stream) {
  if (const int failed = begin("cuMemcpyHtoDAsync")) return failed;
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kStream, stream, "cuMemcpyHtoDAsync")) return kInvalidHandle;
  enqueue(stream, [target, source, size] {
    unsigned char* const bytes = Device::get().bytes(reinterpret_cast<void*>(target), size, "cuMemcpyHtoDAsync");
    if (bytes != nullptr) std::memcpy(bytes, source, size);
  });
  return kSuccess;
}
EXPORT int cuMemcpyDtoHAsync_v2(void* target, unsigned long long source, std::size_t size, void* stream) {
  if (const int failed = begin("cuMemcpyDtoHAsync")) return failed;
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kStream, stream, "cuMemcpyDtoHAsync")) return kInvalidHandle;
  enqueue(stream, [target, source, size] {
    const unsigned char* const bytes = Device::get().bytes(reinterpret_cast<void*>(source), size, "cuMemcpyDtoHAsync");
    if (bytes != nullptr) std::memcpy(target, bytes, size);
  });
  return kSuccess;
}
EXPORT int cuMemcpy2DAsync_v2(const cuda::Copy2D* copy, void* stream) {
  if (const int failed = begin("cuMemcpy2DAsync")) return failed;
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kStream, stream, "cuMemcpy2DAsync")) return kInvalidHandle;
  const bool is_array = copy->source_type == cuda::kArrayMemory;
  if ((!is_array && copy->width_bytes > copy->source_pitch) || copy->width_bytes > copy->target_pitch || copy->height == 0) {
    Ledger::get().broken("cuMemcpy2DAsync: no rows, or rows that are longer than their pitch");
    return kInvalidValue;
  }
  enqueue(stream, [rows = *copy] { copy_rows(rows); });
  return kSuccess;
}

EXPORT int cuStreamCreate(void** stream, unsigned) {
  if (const int failed = begin("cuStreamCreate")) return failed;
  *stream = new Stream;
  Ledger::get().born(kStream, *stream);
  return kSuccess;
}
EXPORT int cuStreamSynchronize(void* stream) {
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kStream, stream, "cuStreamSynchronize")) return kInvalidHandle;
  Device::get().drain(*static_cast<Stream*>(stream));  // a failed one, too, has waited
  return begin("cuStreamSynchronize");
}
EXPORT int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  if (const int failed = begin("cuStreamWaitEvent")) return failed;
  const Locked locked(Ledger::get().lock());
  Ledger& ledger = Ledger::get();
  if (!ledger.expect(kStream, stream, "cuStreamWaitEvent") || !ledger.expect(kEvent, event, "cuStreamWaitEvent")) {
    return kInvalidHandle;
  }
  auto* const awaited = static_cast<Event*>(event);
  static_cast<Stream*>(stream)->pending.push_back({nullptr, awaited, awaited->recorded});
  return kSuccess;
}
EXPORT int cuStreamDestroy_v2(void* stream) {
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kStream, stream, "cuStreamDestroy")) return kInvalidHandle;
  Device::get().drain(*static_cast<Stream*>(stream));
  Ledger::get().died(kStream, stream);  // the object stays: events may name it
  return begin("cuStreamDestroy");
}

EXPORT int cuEventCreate(void** event, unsigned) {
  if (const int failed = begin("cuEventCreate")) return failed;
  *event = new Event;
  Ledger::get().born(kEvent, *event);
  return kSuccess;
}
EXPORT int cuEventRecord(void* event, void* stream) {
  if (const int failed = begin("cuEventRecord")) return failed;
  const Locked locked(Ledger::get().lock());
  Ledger& ledger = Ledger::get();
  if (!ledger.expect(kEvent, event, "cuEventRecord") || !ledger.expect(kStream, stream, "cuEventRecord")) return kInvalidHandle;
  auto* const recorded = static_cast<Event*>(event);
  recorded->stream = static_cast<Stream*>(stream);
  const long count = ++recorded->recorded;
  enqueue(stream, [recorded, count] { recorded->reached = count; });
  return kSuccess;
}
EXPORT int cuEventSynchronize(void* event) {
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kEvent, event, "cuEventSynchronize")) return kInvalidHandle;
  auto* const awaited = static_cast<Event*>(event);
  Device::get().drain_until(*awaited, awaited->recorded);
  return begin("cuEventSynchronize");
}
EXPORT int cuEventQuery(void* event) { return cuEventSynchronize(event); }
EXPORT int cuEventElapsedTime(float* milliseconds, void*, void*) {
  *milliseconds = 0;
  return begin("cuEventElapsedTime");
}
EXPORT int cuEventDestroy_v2(void* event) {
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kEvent, event, "cuEventDestroy")) return kInvalidHandle;
  auto* const gone = static_cast<Event*>(event);
  Device::get().drain_until(*gone, gone->recorded);
  Ledger::get().died(kEvent, event);  // the object stays: other streams may wait for it
  return begin("cuEventDestroy");
}

EXPORT int cuModuleLoadData(void** module, const void* image) {
  if (const int failed = begin("cuModuleLoadData")) return failed;
  if (image == nullptr) return kInvalidValue;
  *module = new int;
  Ledger::get().born(kModule, *module);
  return kSuccess;
}
EXPORT int cuModuleUnload(void* module) {
  if (!Ledger::get().died(kModule, module)) return kInvalidHandle;
  delete static_cast<int*>(module);
  return begin("cuModuleUnload");
}
EXPORT int cuModuleGetFunction(void** function, void* module, const char* name) {
  if (const int failed = begin("cuModuleGetFunction")) return failed;
  if (!Ledger::get().expect(kModule, module, "cuModuleGetFunction")) return kInvalidHandle;
  for (const char* const& kernel : kKernels) {
    if (std::strcmp(kernel, name) == 0) *function = const_cast<void*>(static_cast<const void*>(&kernel));
  }
  return kSuccess;
}
EXPORT int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned, void* stream, void** parameters, void**) {
  if (const int failed = begin("cuLaunchKernel")) return failed;
  const Locked locked(Ledger::get().lock());
  if (!Ledger::get().expect(kStream, stream, "cuLaunchKernel")) return kInvalidHandle;
  const char* const name = *static_cast<const char* const*>(function);
  const auto job = *static_cast<const edgecore::tensorrt::PictureJob*>(parameters[0]);
  enqueue(stream, [=] { run_kernel(name, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, job); });
  return kSuccess;
}

EXPORT const Door edgecore_stand_in_door;
const Door edgecore_stand_in_door = {
    [](const char* call) { return Ledger::get().fails(call); },
    [](const char* kind, const void* handle) { Ledger::get().born(kind, handle); },
    [](const char* kind, const void* handle) { return Ledger::get().died(kind, handle); },
    [](const char* kind, const void* handle, const char* call) { return Ledger::get().expect(kind, handle, call); },
    [](const char* rule) { Ledger::get().broken(rule); },
    has_context,
    [](void* stream, void (*work)(void*), void* data) {
      const Locked locked(Ledger::get().lock());
      if (!Ledger::get().expect(kStream, stream, "enqueue")) return false;
      enqueue(stream, [work, data] { work(data); });
      return true;
    },
    [](const void* address, std::size_t size, const char* who) -> void* { return Device::get().bytes(address, size, who); },
    [](std::size_t size) {
      const Locked locked(Ledger::get().lock());
      return Device::get().allocate(size, false);
    },
    [](void* address) {
      const Locked locked(Ledger::get().lock());
      Device::get().free(address, false);
    },
};
