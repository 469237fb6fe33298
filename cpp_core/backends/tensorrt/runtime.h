// TensorRT, opened at run time, and owners for what it hands out.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "abi/nvinfer.h"
#include "cuda.h"
#include "edgecore/abi.h"

namespace edgecore::tensorrt {

/// Keeps what the library says when something goes wrong, because its functions only return null or false.
class Logger final : public nvinfer::Logger {
 public:
  void log(nvinfer::Severity severity, const char* text) noexcept override;
  /// What was said since the last call, with "; " between; empty if nothing.
  std::string take() noexcept;
  /// Warnings go to stderr at once: last words, should the library end the process.
  void speak_up(bool on) noexcept { is_loud_ = on; }

 private:
  std::atomic<bool> is_loud_{false};
  std::mutex mutex_;  // the library logs from threads of its own, too
  std::string said_;
};

struct Destroy {
  template <typename T>
  void operator()(T* object) const noexcept {
    object->destroy();
  }
};
using RuntimeHandle = std::unique_ptr<nvinfer::Runtime, Destroy>;
using EngineHandle = std::unique_ptr<nvinfer::Engine, Destroy>;
using ContextHandle = std::unique_ptr<nvinfer::Context, Destroy>;

/// libnvinfer and the driver under it. One per process, never closed.
class Library {
 public:
  /// kNotFound with the loader's words where either is missing, or there is no device.
  abi::Code open(abi::Error* error) noexcept;

  /// The GPU's context has to be current. Never trusts the pointer alone: where the driver does not serve its CUDA version,
  /// TensorRT 10.15 says so and returns one that points nowhere (0x238; seen on x86-64 and aarch64). 8.6 warns and
  /// follows a null pointer itself (8.6.0 on x86-64): only the trial of a model in a process of its own survives that.
  abi::Code create_runtime(RuntimeHandle& runtime, abi::Error* error) noexcept;

  /// kSdk: "enqueueV3: what the library said".
  abi::Code failed(const char* call, abi::Error* error, abi::Code code = abi::Code::kSdk) noexcept;

  const Driver& driver() const noexcept { return driver_; }
  const std::string& title() const noexcept { return title_; }  // "TensorRT 8.6.1"
  std::int32_t version() const noexcept { return version_; }    // 8601, 101501
  bool names_tensors() const noexcept { return version_ >= nvinfer::kNamedTensors; }
  /// "8.6" as 806, "10.15" as 1015: what plans are compared by.
  int release() const noexcept;

 private:
  Driver driver_;
  nvinfer::CreateRuntime create_ = nullptr;
  std::int32_t version_ = 0;
  std::string title_;
  Logger logger_;  // the library may keep it for as long as the process lives
};

}  // namespace edgecore::tensorrt
