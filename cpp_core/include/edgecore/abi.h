// The seam between the core and a backend module: everything here crosses a dlopen boundary.
//
// Only C-layout types, enums of fixed width and pure virtual tables (Itanium order, no RTTI, no
// virtual destructor) may appear, because a backend that has to meet a vendor's libstdc++ library is
// built with another C++ runtime than the core. No exception may leave a function declared here.
// The comfortable side (spans, Result, RAII) is in backend.h and module.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgecore::abi {

/// Raised whenever a layout or a virtual table below changes. A module of another version is refused.
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kMaxRank = 8;
inline constexpr std::size_t kMaxName = 128;

enum class Code : std::int32_t {
  kOk = 0,
  kInvalidArgument = 1,  // the caller's fault: shape, type, option
  kNotFound = 2,         // file, module, vendor library or symbol is not there
  kUnsupported = 3,      // understood, but this build or device cannot do it
  kCorrupt = 4,          // input bytes that are not what they claim to be
  kSdk = 5,              // a vendor call failed; the text names the call and its code
  kInternal = 6,         // a defect of ours
};

/// Caller-owned; the callee fills it when it returns anything but kOk. `text` is UTF-8, terminated.
struct Error {
  Code code = Code::kOk;
  char text[508] = {};
};

enum class DType : std::int32_t { kFloat32 = 0, kFloat16 = 1, kInt8 = 2, kUInt8 = 3, kInt32 = 4, kInt64 = 5 };

/// Where bytes live. `kDevice` pointers may not be dereferenced by the host.
enum class Place : std::int32_t { kHost = 0, kDevice = 1, kDmaBuf = 2 };

/// Dense row-major tensor. Nobody owns through it: see Engine::run for lifetimes.
struct Tensor {
  void* data = nullptr;
  std::size_t size_bytes = 0;
  std::int64_t shape[kMaxRank] = {};
  std::int32_t rank = 0;
  DType dtype = DType::kFloat32;
  Place place = Place::kHost;
  std::int32_t dma_fd = -1;  // only for kDmaBuf
};

/// One input or output of a model. A dimension of -1 is free (decided at run time).
struct TensorInfo {
  char name[kMaxName] = {};
  std::int64_t shape[kMaxRank] = {};
  std::int32_t rank = 0;
  DType dtype = DType::kFloat32;
  float scale = 1.0F;            // real = (stored - zero_point) * scale, for integer types
  std::int32_t zero_point = 0;
};

/// Validated by the backend: an unknown key is an error, never ignored.
struct Option {
  const char* key;
  const char* value;
};

struct EngineSpec {
  const char* model_path = nullptr;
  const Option* options = nullptr;
  std::size_t option_count = 0;
  std::int32_t device = 0;
  std::int32_t threads = 1;
};

/// A loaded model. One thread at a time; several engines may run side by side.
class Engine {
 public:
  virtual std::size_t input_count() const noexcept = 0;
  virtual std::size_t output_count() const noexcept = 0;
  virtual const TensorInfo* input(std::size_t index) const noexcept = 0;   // owned by the engine
  virtual const TensorInfo* output(std::size_t index) const noexcept = 0;  // owned by the engine

  /// in: one tensor per input, caller-owned for the call. out: one slot per output, filled by the
  /// engine with memory of its own that stays valid until the next run() or release().
  virtual Code run(const Tensor* in, std::size_t in_count, Tensor* out, std::size_t out_count,
                   Error* error) noexcept = 0;
  virtual void release() noexcept = 0;

 protected:
  ~Engine() = default;
};

/// Entry object of a module: a static inside it, never released.
class Backend {
 public:
  virtual const char* name() const noexcept = 0;      // "cpu": the module's file name without prefix
  virtual const char* runtime() const noexcept = 0;   // "ONNX Runtime 1.31.1", for reports
  virtual std::int32_t device_count() const noexcept = 0;
  /// On kOk *engine is the caller's and goes back through Engine::release().
  virtual Code open_engine(const EngineSpec& spec, Engine** engine, Error* error) noexcept = 0;

 protected:
  ~Backend() = default;
};

/// The one symbol a module exports (extern "C"). nullptr with `error` filled when the vendor's
/// library cannot be opened or `abi_version` is not kVersion.
using EntryPoint = Backend* (*)(std::uint32_t abi_version, Error* error);
inline constexpr char kEntryPointName[] = "edgecore_backend";

}  // namespace edgecore::abi
