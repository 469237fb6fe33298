// The CUDA driver, opened at run time, and owners for what it gives.
//
// Each owner is empty until its create() or allocate() succeeded, can be moved from, and frees what it owns; a
// create() on an owner that has something frees that first. All keep a pointer to their Gpu, which outlives them.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "abi/cuda_driver.h"
#include "edgecore/abi.h"

namespace edgecore::tensorrt {

/// libcuda.so.1, opened. One per process, never closed.
class Driver {
 public:
  /// kNotFound with the loader's words where the library is missing or finds no device.
  abi::Code open(abi::Error* error) noexcept;

  const cuda::Api& api() const noexcept { return api_; }
  int version() const noexcept { return version_; }  // the highest CUDA it serves: 12040 is 12.4
  int device_count() const noexcept { return device_count_; }

  /// kOk, or kSdk with "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (out of memory)".
  abi::Code check(cuda::Result result, const char* call, abi::Error* error) const noexcept;

 private:
  cuda::Api api_{};
  int version_ = 0;
  int device_count_ = 0;
};

/// One device with its primary context, which TensorRT and other users of the runtime API share.
class Gpu {
 public:
  Gpu() = default;
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  abi::Code open(const Driver& driver, int ordinal, abi::Error* error) noexcept;

  const Driver& driver() const noexcept { return *driver_; }
  const cuda::Api& api() const noexcept { return driver_->api(); }
  cuda::Context* context() const noexcept { return context_; }
  int ordinal() const noexcept { return ordinal_; }
  const std::string& title() const noexcept { return title_; }  // "NVIDIA H100 80GB HBM3"
  int capability() const noexcept { return capability_; }       // 87 is 8.7
  bool shares_memory() const noexcept { return shares_memory_; }  // with the CPU, as on Jetson
  int multiprocessors() const noexcept { return multiprocessors_; }

  abi::Code check(cuda::Result result, const char* call, abi::Error* error) const noexcept {
    return driver_->check(result, call, error);
  }

 private:
  const Driver* driver_ = nullptr;
  cuda::Device device_ = 0;
  cuda::Context* context_ = nullptr;
  int ordinal_ = 0;
  std::string title_;
  int capability_ = 0;
  bool shares_memory_ = false;
  int multiprocessors_ = 0;
};

/// Makes the GPU's context this thread's for a scope, then the thread's former one again:
///   const Current current(gpu, error);
///   if (!current) return current.code();
class Current {
 public:
  explicit Current(const Gpu& gpu, abi::Error* error = nullptr) noexcept;
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

  explicit operator bool() const noexcept { return code_ == abi::Code::kOk; }
  abi::Code code() const noexcept { return code_; }

 private:
  const Gpu& gpu_;
  abi::Code code_;
};

/// What all owners below have in common: a handle that belongs to a Gpu; zero is none.
template <typename Handle>
class Owned {
 public:
  Owned() = default;
  Owned(Owned&& other) noexcept
      : gpu_(std::exchange(other.gpu_, nullptr)), handle_(std::exchange(other.handle_, Handle{})) {}
  Owned& operator=(Owned&&) = delete;

  Handle get() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != Handle{}; }

 protected:
  ~Owned() = default;

  const Gpu* gpu_ = nullptr;
  Handle handle_{};
};

class DeviceMemory : public Owned<cuda::DevicePointer> {
 public:
  DeviceMemory() = default;
  DeviceMemory(DeviceMemory&&) = default;
  ~DeviceMemory() { free(); }

  abi::Code allocate(const Gpu& gpu, std::size_t size_bytes, abi::Error* error) noexcept;
  /// Allocates only when what is there is smaller.
  abi::Code reserve(const Gpu& gpu, std::size_t size_bytes, abi::Error* error) noexcept;
  void free() noexcept;

  void* data() const noexcept { return reinterpret_cast<void*>(handle_); }
  std::size_t size_bytes() const noexcept { return handle_ != 0 ? size_bytes_ : 0; }

 private:
  std::size_t size_bytes_ = 0;
};

/// Host memory that the GPU reads and writes by itself: copies to and from it run beside the CPU, and where the GPU
/// shares the CPU's memory, it serves without any copy under device().
class PinnedMemory : public Owned<void*> {
 public:
  PinnedMemory() = default;
  PinnedMemory(PinnedMemory&&) = default;
  ~PinnedMemory() { free(); }

  abi::Code allocate(const Gpu& gpu, std::size_t size_bytes, abi::Error* error) noexcept;
  abi::Code reserve(const Gpu& gpu, std::size_t size_bytes, abi::Error* error) noexcept;
  void free() noexcept;

  void* data() const noexcept { return handle_; }
  cuda::DevicePointer device() const noexcept { return device_; }  // the same memory, for the GPU
  std::size_t size_bytes() const noexcept { return handle_ != nullptr ? size_bytes_ : 0; }

 private:
  cuda::DevicePointer device_ = 0;
  std::size_t size_bytes_ = 0;
};

class Event;

/// get() is a cudaStream_t, too.
class Stream : public Owned<cuda::Stream*> {
 public:
  Stream() = default;
  Stream(Stream&&) = default;
  ~Stream() { destroy(); }

  abi::Code create(const Gpu& gpu, abi::Error* error) noexcept;
  abi::Code synchronize(abi::Error* error) const noexcept;
  /// What is enqueued from here on begins when `event`, as recorded by now, is reached. The host does not wait.
  abi::Code wait(const Event& event, abi::Error* error) const noexcept;
  /// The copy is over when the stream got there; pageable host memory makes it wait.
  abi::Code to_device(cuda::DevicePointer target, const void* source, std::size_t size_bytes,
                      abi::Error* error) const noexcept;
  abi::Code to_host(void* target, cuda::DevicePointer source, std::size_t size_bytes, abi::Error* error) const noexcept;
  abi::Code copy(const cuda::Copy2D& rows, abi::Error* error) const noexcept;

 private:
  void destroy() noexcept;
};

class Event : public Owned<cuda::Event*> {
 public:
  Event() = default;
  Event(Event&&) = default;
  ~Event() { destroy(); }

  abi::Code create(const Gpu& gpu, abi::Error* error, unsigned flags = cuda::kEventDisableTiming) noexcept;
  abi::Code record(const Stream& stream, abi::Error* error) const noexcept;
  abi::Code synchronize(abi::Error* error) const noexcept;
  /// Both made with kEventDefault and reached.
  abi::Code elapsed_ms(const Event& start, float& milliseconds, abi::Error* error) const noexcept;

 private:
  void destroy() noexcept;
};

/// Device code: a cubin, a fat binary or PTX (which ends with a zero byte).
class CodeModule : public Owned<cuda::Module*> {
 public:
  CodeModule() = default;
  CodeModule(CodeModule&&) = default;
  ~CodeModule() { unload(); }

  /// kUnsupported for an image that neither runs on the GPU nor can be compiled for it by this driver.
  abi::Code load(const Gpu& gpu, const void* image, abi::Error* error) noexcept;
  abi::Code find(const char* kernel, cuda::Function*& function, abi::Error* error) const noexcept;

 private:
  void unload() noexcept;
};

}  // namespace edgecore::tensorrt
