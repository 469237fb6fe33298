// The module's entry: libedgecore-amlogic.so, inference on VeriSilicon's NPU in Amlogic's A311D through OpenVX.

#include <memory>

#include "edgecore/module.h"
#include "engine.h"
#include "model_file.h"
#include "options.h"
#include "runtime.h"
#include "sidecar.h"

namespace edgecore::amlogic {
namespace {

using abi::Code;
using module::fail;

struct ReleaseEngine {
  void operator()(Engine* engine) const noexcept { engine->release(); }
};

class Backend final : public module::PlainBackend {
 public:
  Code open(abi::Error* error) noexcept { return open_runtime(runtime_, error); }

  const char* name() const noexcept override { return "amlogic"; }
  const char* runtime() const noexcept override { return runtime_.title.c_str(); }
  std::int32_t device_count() const noexcept override { return runtime_.has_device ? 1 : 0; }
  std::int32_t survives_bad_models() const noexcept override { return 0; }

  Code check_model(const char* model_path, abi::Error* error) noexcept override {
    Model model;
    return load(model_path, model, error);
  }

  Code open_engine(const abi::EngineSpec& spec, abi::Engine** engine, abi::Error* error) noexcept override {
    EngineOptions options;
    if (Code code = parse_options(spec, options, error); code != Code::kOk) return code;
    Model model;
    if (Code code = load(spec.model_path, model, error); code != Code::kOk) return code;
    if (!runtime_.has_device) {
      return fail(error, Code::kNotFound,
                  "%s; load the kernel module galcore, or give the container --device /dev/galcore",
                  runtime_.title.c_str());
    }
    std::unique_ptr<Engine, ReleaseEngine> opened(new Engine(runtime_, std::move(model)));
    if (Code code = opened->open(options, error); code != Code::kOk) return code;
    *engine = opened.release();
    return Code::kOk;
  }

 private:
  /// Read, judged and named; nothing of it has reached the driver.
  Code load(const char* model_path, Model& model, abi::Error* error) const {
    if (Code code = read_model(model_path, model, error); code != Code::kOk) return code;
    if (Code code = check_target(model, runtime_.device_pid, error); code != Code::kOk) return code;
    return apply_sidecar(std::string(model_path) + ".io", model, error);
  }

  Runtime runtime_;
};

}  // namespace
}  // namespace edgecore::amlogic

EDGECORE_EXPORT edgecore::abi::Backend* edgecore_backend(std::uint32_t abi_version, edgecore::abi::Error* error) {
  return edgecore::module::enter<edgecore::amlogic::Backend>(abi_version, error);
}
