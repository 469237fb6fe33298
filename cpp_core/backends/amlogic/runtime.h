// VeriSilicon's OpenVX, opened at run time, and owners for its handles.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "abi/openvx.h"
#include "edgecore/abi.h"

namespace edgecore::amlogic {

/// The opened library. One per process, never closed.
struct Runtime {
  vx::Api api{};
  std::string title;  // "OpenVX 1.3 (Vivante)", or why there is no device
  bool has_device = false;
  std::uint32_t device_pid = 0;  // 0: the driver does not say
  std::mutex loading;            // nobody documents that models may be loaded in two threads at a time; runs may
};

/// Opens libOpenVX.so.1. A device is not needed for that: models can be judged without one.
abi::Code open_runtime(Runtime& runtime, abi::Error* error) noexcept;

/// Releases any handle of the API.
struct Release {
  const vx::Api* api = nullptr;
  void operator()(vx::Context handle) const noexcept { api->vxReleaseContext(&handle); }
  void operator()(vx::Graph handle) const noexcept { api->vxReleaseGraph(&handle); }
  void operator()(vx::Kernel handle) const noexcept { api->vxRemoveKernel(handle); }
  void operator()(vx::Node handle) const noexcept { api->vxReleaseNode(&handle); }
  void operator()(vx::Parameter handle) const noexcept { api->vxReleaseParameter(&handle); }
  void operator()(vx::Tensor handle) const noexcept { api->vxReleaseTensor(&handle); }
};
template <typename T>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, Release>;

/// Judges the calls of one function: `if (!check(api.vxVerifyGraph(graph), "vxVerifyGraph")) return check.code();`
class Checker {
 public:
  Checker(const vx::Api& api, abi::Error* error) noexcept : api_(api), error_(error) {}

  /// A failure becomes kSdk and "vxVerifyGraph: -18 (VX_ERROR_INVALID_GRAPH)".
  bool operator()(vx::Status status, const char* call) noexcept;

  /// Takes what a creating call returned; an object can be null or carry an error of its own.
  template <typename T>
  bool own(T created, Handle<T>& owner, const char* call) noexcept {
    owner = Handle<T>(created, Release{&api_});
    if (created == nullptr) return refuse_null(call);
    return (*this)(api_.vxGetStatus(created), call);
  }
  abi::Code code() const noexcept { return code_; }

 private:
  bool refuse_null(const char* call) noexcept;

  const vx::Api& api_;
  abi::Error* error_;
  abi::Code code_ = abi::Code::kOk;
};

}  // namespace edgecore::amlogic
