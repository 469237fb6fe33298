// The entry of libedgecore-tensorrt8.so and -tensorrt10.so.

#include <memory>

#include "abi/nvinfer.h"
#include "decoders.h"
#include "edgecore/module.h"
#include "engine.h"
#include "model_file.h"
#include "options.h"
#include "runtime.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using module::fail;

class Backend final : public module::PlainBackend {
 public:
  Code open(abi::Error* error) noexcept { return library_.open(error); }

  const char* name() const noexcept override { return nvinfer::kMajor == 8 ? "tensorrt8" : "tensorrt10"; }
  const char* runtime() const noexcept override { return library_.title().c_str(); }
  std::int32_t device_count() const noexcept override { return library_.driver().device_count(); }

  Code open_engine(const abi::EngineSpec& spec, abi::Engine** engine, abi::Error* error) noexcept override {
    EngineOptions options;
    if (Code code = parse_options(spec, options, error); code != Code::kOk) return code;
    auto opened = std::make_unique<Engine>(library_);
    if (Code code = opened->load(spec, options, error); code != Code::kOk) return code;
    *engine = opened.release();
    return Code::kOk;
  }

  Code check_model(const char* model_path, abi::Error* error) noexcept override {
    ModelFile file;
    PlanFacts facts;
    if (Code code = file.read(model_path, error); code != Code::kOk) return code;
    if (Code code = check_plan(file, facts, error); code != Code::kOk) return code;
    return check_fit(facts, library_.release(), /*capability=*/0, error);
  }
  /// A plan is code of the GPU behind a header; what TensorRT does with one that is damaged further in, nobody promises.
  std::int32_t survives_bad_models() const noexcept override { return 0; }

  Code open_decoder(const abi::DecoderSpec& spec, abi::Decoder** decoder, abi::Error* error) noexcept override {
    return tensorrt::open_decoder(library_.driver(), spec, decoder, error);
  }

 private:
  Library library_;
};

}  // namespace
}  // namespace edgecore::tensorrt

EDGECORE_EXPORT edgecore::abi::Backend* edgecore_backend(std::uint32_t abi_version, edgecore::abi::Error* error) {
  return edgecore::module::enter<edgecore::tensorrt::Backend>(abi_version, error);
}
