// The module's entry: libedgecore-sophon.so, inference on the TPU of BM1684, BM1684X and BM1688 through BMRuntime, and
// pictures through bmcv and the chip's decoders.

#include <memory>

#include "decoders.h"
#include "edgecore/module.h"
#include "engine.h"
#include "model_file.h"
#include "options.h"
#include "runtime.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using module::fail;

struct Release {
  void operator()(abi::Engine* engine) const noexcept { engine->release(); }
};

class Backend final : public module::PlainBackend {
 public:
  Code open(abi::Error* error) noexcept { return open_libraries(libraries_, error); }

  const char* name() const noexcept override { return "sophon"; }
  const char* runtime() const noexcept override { return libraries_.title.c_str(); }

  std::int32_t device_count() const noexcept override {
    int count = 0;
    return libraries_.lib.bm_dev_getcount(&count) == bm::kSuccess ? count : 0;
  }

  Code open_engine(const abi::EngineSpec& spec, abi::Engine** engine, abi::Error* error) noexcept override {
    EngineOptions options;
    if (Code code = parse_options(spec, options, error); code != Code::kOk) return code;
    auto* const opening = new Engine(libraries_);
    std::unique_ptr<abi::Engine, Release> opened(opening);
    if (Code code = opening->load(spec, options, error); code != Code::kOk) return code;
    *engine = opened.release();
    return Code::kOk;
  }

  Code check_model(const char* model_path, abi::Error* error) noexcept override {
    std::string bytes;
    ModelFacts facts;
    if (Code code = read_file(model_path, bytes, error); code != Code::kOk) return code;
    return sophon::check_model(bytes, facts, error);
  }

  /// bmrt_load_bmodel_data calls exit() on what it does not like: seen with libbmrt.so.1.0 of tpu-mlir 1.6, status 255.
  std::int32_t survives_bad_models() const noexcept override { return 0; }

  Code open_decoder(const abi::DecoderSpec& spec, abi::Decoder** decoder, abi::Error* error) noexcept override {
    switch (spec.codec) {
      case abi::Codec::kJpeg: return open_jpeg_decoder(libraries_, spec.device, decoder, error);
      case abi::Codec::kH264:
      case abi::Codec::kH265: return open_video_decoder(libraries_, spec.device, spec.codec, decoder, error);
    }
    return fail(error, Code::kUnsupported, "decodes nothing of codec %d", static_cast<int>(spec.codec));
  }

 private:
  Libraries libraries_;
};

}  // namespace
}  // namespace edgecore::sophon

EDGECORE_EXPORT edgecore::abi::Backend* edgecore_backend(std::uint32_t abi_version, edgecore::abi::Error* error) {
  return edgecore::module::enter<edgecore::sophon::Backend>(abi_version, error);
}
