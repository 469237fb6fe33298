// The core's side of the seam: finds backend modules by file name, opens models through them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "edgecore/abi.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

/// Opaque to the core, validated by the backend.
using Options = std::vector<std::pair<std::string, std::string>>;

struct EngineRequest {
  std::filesystem::path model;
  std::int32_t device = 0;
  std::int32_t threads = 1;
  Options options;
};

/// Of one tensor; more than any edge model has, so that a broken module's sizes are never allocated.
inline constexpr std::size_t kMaxTensorBytes = std::size_t{256} << 20U;

/// A loaded model; frees itself. Move-only, one thread at a time.
class Engine {
 public:
  /// Takes `raw` over, and checks what it announces: a module is other people's code.
  static Result<Engine> adopt(abi::Engine* raw);

  const std::vector<TensorInfo>& inputs() const noexcept { return inputs_; }
  const std::vector<TensorInfo>& outputs() const noexcept { return outputs_; }

  /// in: one view per input, in order; type and shape are checked here, before the backend sees them.
  /// Returns views into the engine's memory, one per output, valid until the next run().
  Result<std::vector<TensorView>> run(const std::vector<TensorView>& in);

 private:
  struct Release {
    void operator()(abi::Engine* engine) const noexcept { engine->release(); }
  };
  explicit Engine(abi::Engine* raw) noexcept : raw_(raw) {}

  std::unique_ptr<abi::Engine, Release> raw_;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
};

/// An opened module. Never unloaded: vendor libraries rarely survive dlclose.
class Backend {
 public:
  std::string name() const;
  std::string runtime() const;
  std::int32_t device_count() const noexcept { return raw_->device_count(); }
  Result<Engine> open_engine(const EngineRequest& request) const;

 private:
  friend Result<Backend> open_backend(const std::string&, const std::filesystem::path&);
  explicit Backend(abi::Backend* raw) noexcept : raw_(raw) {}
  abi::Backend* raw_;
};

/// Names of the modules (`libedgecore-NAME.so`) in `directory`, sorted. Opens none of them.
std::vector<std::string> list_backends(const std::filesystem::path& directory);

/// Opens `directory/libedgecore-NAME.so`. An unknown name lists the ones that are there; a module whose
/// vendor library is missing carries the loader's own text.
Result<Backend> open_backend(const std::string& name, const std::filesystem::path& directory);

/// Where modules are looked for: $EDGECORE_BACKENDS if set, else beside the object that holds `address`
/// (bin/edgecore -> ../lib/edgecore, a Python package -> lib). One directory, never the working directory.
std::filesystem::path backend_directory();

}  // namespace edgecore
