// The module's entry: libedgecore-cpu.so, inference on the CPU through ONNX Runtime.

#include <memory>

#include "edgecore/module.h"
#include "engine.h"
#include "model_file.h"
#include "options.h"
#include "runtime.h"

namespace edgecore::cpu {
namespace {

using abi::Code;
using module::fail;

class Backend final : public module::PlainBackend {
 public:
  Code open(abi::Error* error) noexcept { return open_runtime(runtime_, error); }

  const char* name() const noexcept override { return "cpu"; }
  const char* runtime() const noexcept override { return runtime_.version.c_str(); }
  std::int32_t device_count() const noexcept override { return 1; }

  Code check_model(const char* model_path, abi::Error* error) noexcept override {
    return check_model_file(model_path, error);
  }

  Code open_engine(const abi::EngineSpec& spec, abi::Engine** engine, abi::Error* error) noexcept override {
    EngineOptions options;
    if (Code code = parse_options(spec, options, error); code != Code::kOk) return code;
    auto opened = std::make_unique<Engine>(runtime_);
    if (Code code = opened->load(spec.model_path, spec.threads, options, error); code != Code::kOk) return code;
    *engine = opened.release();
    return Code::kOk;
  }

 private:
  Runtime runtime_;
};

}  // namespace
}  // namespace edgecore::cpu

EDGECORE_EXPORT edgecore::abi::Backend* edgecore_backend(std::uint32_t abi_version, edgecore::abi::Error* error) {
  return edgecore::module::enter<edgecore::cpu::Backend>(abi_version, error);
}
