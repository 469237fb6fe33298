#include "cuda.h"

#include <cstring>
#include <dlfcn.h>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using module::fail;

constexpr char kSoname[] = "libcuda.so.1";

/// The image is sound, but neither runs on this GPU nor can be compiled for it here (containers may leave the driver's
/// compiler out).
bool cannot_run(cuda::Result result) noexcept {
  return result == cuda::kErrorNoBinaryForGpu || result == cuda::kErrorJitCompilerNotFound ||
         result == cuda::kErrorUnsupportedPtxVersion || result == cuda::kErrorJitCompilationDisabled;
}

}  // namespace

Code Driver::open(Error* error) noexcept {
  void* library = dlopen(kSoname, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(error, Code::kNotFound,
                "the NVIDIA driver cannot be opened: %s; install the driver of this box, or start the container with "
                "--runtime=nvidia (or --gpus all), which mounts %s",
                dlerror(), kSoname);
  }
  void* found[cuda::kSymbolCount];
  for (std::size_t i = 0; i < cuda::kSymbolCount; ++i) {
    const cuda::Symbol& symbol = cuda::kSymbols[i];
    found[i] = dlsym(library, symbol.name);
    if (found[i] == nullptr && symbol.older != nullptr) found[i] = dlsym(library, symbol.older);
    if (found[i] == nullptr) {
      return fail(error, Code::kUnsupported, "%s: exports no %s; a driver for CUDA 10.2 or later is needed", kSoname,
                  symbol.name);
    }
  }
  static_assert(sizeof found == sizeof api_, "the table is filled as one");
  std::memcpy(&api_, found, sizeof found);

  if (Code code = check(api_.cuInit(0), "cuInit", error); code != Code::kOk) {
    if (error == nullptr || code != Code::kNotFound) return code;
    const Error said = *error;
    return fail(error, code, "%.400s; in a container, pass a GPU in (--runtime=nvidia, or --gpus all)", said.text);
  }
  if (Code code = check(api_.cuDriverGetVersion(&version_), "cuDriverGetVersion", error); code != Code::kOk) {
    return code;
  }
  return check(api_.cuDeviceGetCount(&device_count_), "cuDeviceGetCount", error);
}

Code Driver::check(cuda::Result result, const char* call, Error* error) const noexcept {
  if (result == cuda::kSuccess) return Code::kOk;
  const char* name = nullptr;
  const char* text = nullptr;
  if (api_.cuGetErrorName(result, &name) != cuda::kSuccess || name == nullptr) name = "an unknown error";
  if (api_.cuGetErrorString(result, &text) != cuda::kSuccess || text == nullptr) text = "no text";
  const Code code = result == cuda::kErrorNoDevice ? Code::kNotFound : Code::kSdk;
  return fail(error, code, "%s: %s (%s, %d)", call, name, text, result);
}

Code Gpu::open(const Driver& driver, int ordinal, Error* error) noexcept {
  if (ordinal < 0 || ordinal >= driver.device_count()) {
    return fail(error, Code::kInvalidArgument, "device %d: the driver sees %d (0 is the first)", ordinal,
                driver.device_count());
  }
  const cuda::Api& api = driver.api();
  char title[256] = {};
  int major = 0;
  int minor = 0;
  int integrated = 0;
  const struct {
    cuda::Attribute attribute;
    int* value;
  } wanted[] = {{cuda::kMajor, &major},
                {cuda::kMinor, &minor},
                {cuda::kIntegrated, &integrated},
                {cuda::kMultiprocessorCount, &multiprocessors_}};
  if (Code code = driver.check(api.cuDeviceGet(&device_, ordinal), "cuDeviceGet", error); code != Code::kOk) {
    return code;
  }
  if (Code code = driver.check(api.cuDeviceGetName(title, sizeof title - 1, device_), "cuDeviceGetName", error);
      code != Code::kOk) {
    return code;
  }
  for (const auto& item : wanted) {
    const cuda::Result result = api.cuDeviceGetAttribute(item.value, item.attribute, device_);
    if (Code code = driver.check(result, "cuDeviceGetAttribute", error); code != Code::kOk) return code;
  }
  const cuda::Result retained = api.cuDevicePrimaryCtxRetain(&context_, device_);
  if (Code code = driver.check(retained, "cuDevicePrimaryCtxRetain", error); code != Code::kOk) return code;
  driver_ = &driver;
  ordinal_ = ordinal;
  title_ = title;
  capability_ = major * 10 + minor;
  shares_memory_ = integrated != 0;
  return Code::kOk;
}

Gpu::~Gpu() {
  if (driver_ != nullptr) driver_->api().cuDevicePrimaryCtxRelease(device_);
}

Current::Current(const Gpu& gpu, Error* error) noexcept
    : gpu_(gpu), code_(gpu.check(gpu.api().cuCtxPushCurrent(gpu.context()), "cuCtxPushCurrent", error)) {}

Current::~Current() {
  cuda::Context* own = nullptr;
  if (code_ == Code::kOk) gpu_.api().cuCtxPopCurrent(&own);
}

Code DeviceMemory::allocate(const Gpu& gpu, std::size_t size_bytes, Error* error) noexcept {
  free();
  const Current current(gpu, error);
  if (!current) return current.code();
  const cuda::Result result = gpu.api().cuMemAlloc(&handle_, size_bytes);
  if (Code code = gpu.check(result, "cuMemAlloc", error); code != Code::kOk) {
    handle_ = 0;
    return code;
  }
  gpu_ = &gpu;
  size_bytes_ = size_bytes;
  return Code::kOk;
}

Code DeviceMemory::reserve(const Gpu& gpu, std::size_t size_bytes, Error* error) noexcept {
  return size_bytes <= this->size_bytes() ? Code::kOk : allocate(gpu, size_bytes, error);
}

void DeviceMemory::free() noexcept {
  if (handle_ == 0) return;
  const Current current(*gpu_);
  gpu_->api().cuMemFree(std::exchange(handle_, 0));
}

Code PinnedMemory::allocate(const Gpu& gpu, std::size_t size_bytes, Error* error) noexcept {
  free();
  const Current current(gpu, error);
  if (!current) return current.code();
  const cuda::Api& api = gpu.api();
  constexpr unsigned kFlags = cuda::kHostAllocPortable | cuda::kHostAllocDeviceMap;
  const cuda::Result result = api.cuMemHostAlloc(&handle_, size_bytes, kFlags);
  if (Code code = gpu.check(result, "cuMemHostAlloc", error); code != Code::kOk) {
    handle_ = nullptr;
    return code;
  }
  gpu_ = &gpu;
  size_bytes_ = size_bytes;
  const cuda::Result mapped = api.cuMemHostGetDevicePointer(&device_, handle_, 0);
  if (Code code = gpu.check(mapped, "cuMemHostGetDevicePointer", error); code != Code::kOk) {
    free();
    return code;
  }
  return Code::kOk;
}

Code PinnedMemory::reserve(const Gpu& gpu, std::size_t size_bytes, Error* error) noexcept {
  return size_bytes <= this->size_bytes() ? Code::kOk : allocate(gpu, size_bytes, error);
}

void PinnedMemory::free() noexcept {
  if (handle_ == nullptr) return;
  const Current current(*gpu_);
  gpu_->api().cuMemFreeHost(std::exchange(handle_, nullptr));
}

Code Stream::create(const Gpu& gpu, Error* error) noexcept {
  destroy();
  const Current current(gpu, error);
  if (!current) return current.code();
  const cuda::Result result = gpu.api().cuStreamCreate(&handle_, cuda::kStreamNonBlocking);
  if (Code code = gpu.check(result, "cuStreamCreate", error); code != Code::kOk) {
    handle_ = nullptr;
    return code;
  }
  gpu_ = &gpu;
  return Code::kOk;
}

Code Stream::synchronize(Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuStreamSynchronize(handle_), "cuStreamSynchronize", error);
}

Code Stream::wait(const Event& event, Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuStreamWaitEvent(handle_, event.get(), 0), "cuStreamWaitEvent", error);
}

Code Stream::to_device(cuda::DevicePointer target, const void* source, std::size_t size_bytes,
                       Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuMemcpyHtoDAsync(target, source, size_bytes, handle_), "cuMemcpyHtoDAsync", error);
}

Code Stream::to_host(void* target, cuda::DevicePointer source, std::size_t size_bytes, Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuMemcpyDtoHAsync(target, source, size_bytes, handle_), "cuMemcpyDtoHAsync", error);
}

Code Stream::copy(const cuda::Copy2D& rows, Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuMemcpy2DAsync(&rows, handle_), "cuMemcpy2DAsync", error);
}

void Stream::destroy() noexcept {
  if (handle_ == nullptr) return;
  const Current current(*gpu_);
  gpu_->api().cuStreamDestroy(std::exchange(handle_, nullptr));
}

Code Event::create(const Gpu& gpu, Error* error, unsigned flags) noexcept {
  destroy();
  const Current current(gpu, error);
  if (!current) return current.code();
  if (Code code = gpu.check(gpu.api().cuEventCreate(&handle_, flags), "cuEventCreate", error); code != Code::kOk) {
    handle_ = nullptr;
    return code;
  }
  gpu_ = &gpu;
  return Code::kOk;
}

Code Event::record(const Stream& stream, Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuEventRecord(handle_, stream.get()), "cuEventRecord", error);
}

Code Event::synchronize(Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuEventSynchronize(handle_), "cuEventSynchronize", error);
}

Code Event::elapsed_ms(const Event& start, float& milliseconds, Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  const cuda::Result result = gpu_->api().cuEventElapsedTime(&milliseconds, start.get(), handle_);
  return gpu_->check(result, "cuEventElapsedTime", error);
}

void Event::destroy() noexcept {
  if (handle_ == nullptr) return;
  const Current current(*gpu_);
  gpu_->api().cuEventDestroy(std::exchange(handle_, nullptr));
}

Code CodeModule::load(const Gpu& gpu, const void* image, Error* error) noexcept {
  unload();
  const Current current(gpu, error);
  if (!current) return current.code();
  const cuda::Result loaded = gpu.api().cuModuleLoadData(&handle_, image);
  if (Code code = gpu.check(loaded, "cuModuleLoadData", error); code != Code::kOk) {
    handle_ = nullptr;
    if (!cannot_run(loaded)) return code;
    if (error != nullptr) error->code = Code::kUnsupported;
    return Code::kUnsupported;
  }
  gpu_ = &gpu;
  return Code::kOk;
}

Code CodeModule::find(const char* kernel, cuda::Function*& function, Error* error) const noexcept {
  const Current current(*gpu_, error);
  if (!current) return current.code();
  return gpu_->check(gpu_->api().cuModuleGetFunction(&function, handle_, kernel), "cuModuleGetFunction", error);
}

void CodeModule::unload() noexcept {
  if (handle_ == nullptr) return;
  const Current current(*gpu_);
  gpu_->api().cuModuleUnload(std::exchange(handle_, nullptr));
}

}  // namespace edgecore::tensorrt
