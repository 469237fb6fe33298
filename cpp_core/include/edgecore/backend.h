// The core's side of the seam: finds backend modules by file name, opens models through them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "edgecore/abi.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

class Decoder;
struct Frame;
struct InputDescription;

using CopyCounts = abi::CopyCounts;

/// Opaque to the core, validated by the backend.
using Options = std::vector<std::pair<std::string, std::string>>;

struct EngineRequest {
  std::filesystem::path model;
  std::int32_t device = 0;
  std::int32_t threads = 1;
  Options options;
  std::function<bool()> is_stopped;  // asked while an unknown model is tried: yes ends that with an error
  bool may_batch = false;            // open_model(): a model whose first dimension is more than 1 will do
};

/// Of one tensor; more than any edge model has, so that a broken module's sizes are never allocated.
inline constexpr std::size_t kMaxTensorBytes = std::size_t{256} << 20U;

/// Deeper queues than this are only latency; also the most that a broken module's depth() makes us keep.
inline constexpr std::int32_t kMaxDepth = 16;

/// Outputs in device memory are an error unless the caller says that it can use them.
enum class Outputs { kHost, kAnywhere };

/// A loaded model; frees itself, after the runs that are open have ended. Move-only, one thread at a time.
///
/// Two ways to run it: run(), which blocks, or submit() and wait() on slots 0 .. depth()-1, which keep several
/// runs in flight where the module can. The tensors behind `in` have to stay as they are until the run ends.
/// What a module hands out is checked before anyone reads through it: it is other people's code.
class Engine {
 public:
  /// Takes `raw` over, and checks what it announces.
  static Result<Engine> adopt(abi::Engine* raw);

  const std::vector<TensorInfo>& inputs() const noexcept { return inputs_; }
  const std::vector<TensorInfo>& outputs() const noexcept { return outputs_; }

  /// in: one view per input, in order; type and shape are checked here, before the backend sees them. A view may be
  /// in device memory, from prepare() of this engine or from an output of its module.
  /// Returns views into the engine's memory, one per output, valid until the next run(). Not while runs are open.
  Result<std::vector<TensorView>> run(const std::vector<TensorView>& in, Outputs wanted = Outputs::kHost);

  /// Runs that may be open at a time, 1 .. kMaxDepth.
  std::int32_t depth() const noexcept;

  /// Starts a run in a free slot. After a failure the slot is free.
  Status submit(std::int32_t slot, const std::vector<TensorView>& in);

  /// Ends the run that is open in the slot, which is free afterwards, in failure too. The views are valid until the
  /// slot's next submit(). Slots may be waited for in any order.
  Result<std::vector<TensorView>> wait(std::int32_t slot, Outputs wanted = Outputs::kHost);

  /// The model's input made from a picture where the engine's own memory is, for this slot's next submit(); placed as
  /// plan_placement() says. kUnsupported: not this kind of picture or not on this device; preprocess() does it then.
  /// Valid until the slot's wait(); place may be kDevice.
  Result<TensorView> prepare(std::int32_t slot, const Frame& frame, const InputDescription& input);

  /// Between host and device, since the engine was opened; all zero where memory is shared or nobody counts.
  CopyCounts copies() const noexcept;

 private:
  struct Raw;
  struct Release {
    void operator()(Raw* raw) const noexcept;
  };
  explicit Engine(abi::Engine* raw);
  Status check_slot(std::int32_t slot, bool should_be_open) const;
  Result<std::vector<abi::Tensor>> encode_inputs(const std::vector<TensorView>& in) const;
  Result<std::vector<TensorView>> decode_outputs(const std::vector<abi::Tensor>& raw, Outputs wanted) const;

  std::unique_ptr<Raw, Release> raw_;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
};

/// An opened module. Never unloaded: vendor libraries rarely survive dlclose.
class Backend {
 public:
  std::string name() const;
  std::string runtime() const;
  const std::filesystem::path& file() const noexcept { return file_; }
  std::int32_t device_count() const noexcept { return raw_->device_count(); }
  Result<Engine> open_engine(const EngineRequest& request) const;

  /// What can be known of a model file without the vendor's library. Ok promises nothing about the rest of it.
  Status check_model(const std::filesystem::path& model) const;

  /// Does the vendor's loader report a damaged file, rather than end the process?
  bool survives_bad_models() const noexcept { return raw_->survives_bad_models() != 0; }

  /// kUnsupported where the module decodes nothing of the kind.
  Result<Decoder> open_decoder(abi::Codec codec, std::int32_t device) const;

 private:
  friend Result<Backend> open_backend(const std::string&, const std::filesystem::path&);
  Backend(abi::Backend* raw, std::filesystem::path file) noexcept : raw_(raw), file_(std::move(file)) {}
  abi::Backend* raw_;
  std::filesystem::path file_;
};

/// kNotFound for anything but a file, as "PATH: no such model file".
Status check_model_file(const std::filesystem::path& model);

/// Names of the modules (`libedgecore-NAME.so`) in `directory`, sorted. Opens none of them.
std::vector<std::string> list_backends(const std::filesystem::path& directory);

/// Opens `directory/libedgecore-NAME.so`. An unknown name lists the ones that are there; a module whose
/// vendor library is missing carries the loader's own text.
Result<Backend> open_backend(const std::string& name, const std::filesystem::path& directory);

/// Where modules are looked for: $EDGECORE_BACKENDS if set, else beside the object that holds `address`
/// (bin/edgecore -> ../lib/edgecore, a Python package -> lib). One directory, never the working directory.
std::filesystem::path backend_directory();

}  // namespace edgecore
