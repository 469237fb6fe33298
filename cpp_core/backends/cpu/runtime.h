// ONNX Runtime, opened at run time, and owners for its handles.
#pragma once

#include <memory>
#include <string>

#include "abi/onnxruntime.h"
#include "edgecore/abi.h"

namespace edgecore::cpu {

/// Frees any handle of the API; the table is a process-wide constant once the library is open.
struct Release {
  const ort::Api* api = nullptr;
  void operator()(ort::Status* handle) const noexcept { api->ReleaseStatus(handle); }
  void operator()(ort::MemoryInfo* handle) const noexcept { api->ReleaseMemoryInfo(handle); }
  void operator()(ort::Session* handle) const noexcept { api->ReleaseSession(handle); }
  void operator()(ort::SessionOptions* handle) const noexcept { api->ReleaseSessionOptions(handle); }
  void operator()(ort::TensorShape* handle) const noexcept { api->ReleaseTensorTypeAndShapeInfo(handle); }
  void operator()(ort::TypeInfo* handle) const noexcept { api->ReleaseTypeInfo(handle); }
  void operator()(ort::Value* handle) const noexcept { api->ReleaseValue(handle); }
};
template <typename T>
using Handle = std::unique_ptr<T, Release>;

/// The opened library. One per process, never closed.
struct Runtime {
  const ort::Api* api = nullptr;
  ort::Env* env = nullptr;
  std::string version;  // "ONNX Runtime 1.31.1"

  template <typename T>
  Handle<T> own(T* handle) const noexcept { return Handle<T>(handle, Release{api}); }
};

/// Opens $EDGECORE_ONNXRUNTIME if set, else libonnxruntime.so.1 beside this module, else by soname.
abi::Code open_runtime(Runtime& runtime, abi::Error* error) noexcept;

/// Judges the calls of one function: `if (!check(api.Run(...), "Run")) return check.code();`
class Checker {
 public:
  Checker(const Runtime& runtime, abi::Error* error) noexcept : runtime_(runtime), error_(error) {}

  /// Releases `status` (null is success); a failure becomes our code and "Run: <its text>".
  bool operator()(ort::Status* status, const char* call) noexcept;
  abi::Code code() const noexcept { return code_; }

 private:
  const Runtime& runtime_;
  abi::Error* error_;
  abi::Code code_ = abi::Code::kOk;
};

}  // namespace edgecore::cpu
