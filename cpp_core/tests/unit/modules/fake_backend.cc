// A backend without a vendor, for the unit tests. What it gets wrong is decided when it is compiled
// (FAKE_NAME, FAKE_VERSION, FAKE_MUTE) and by the model file's first word: "echo", "liar", "broken"
// or one of EchoEngine's flaws.

#include <cstring>
#include <fstream>
#include <string>

#include "edgecore/module.h"

namespace {

using namespace edgecore;
using abi::Code;

/// y = x, on float32 ?x2.
class EchoEngine final : public module::BlockingEngine {
 public:
  explicit EchoEngine(const std::string& flaw) : flaw_(flaw) {
    module::copy_text(x_.name, "x");
    module::copy_text(y_.name, "y");
    x_.rank = y_.rank = 2;
    x_.shape[0] = y_.shape[0] = -1;
    x_.shape[1] = y_.shape[1] = 2;
    if (flaw == "rank") x_.rank = 9;
    if (flaw == "type") y_.dtype = static_cast<abi::DType>(77);
    if (flaw == "huge") y_.shape[0] = std::int64_t{1} << 59;
    if (flaw == "large") y_.shape[0] = std::int64_t{1} << 40;
    if (flaw == "unterminated") std::memset(x_.name, 'n', sizeof x_.name);
  }
  std::size_t input_count() const noexcept override { return 1; }
  std::size_t output_count() const noexcept override { return 1; }
  const abi::TensorInfo* input(std::size_t) const noexcept override { return &x_; }
  const abi::TensorInfo* output(std::size_t) const noexcept override { return flaw_ == "portless" ? nullptr : &y_; }
  Code run(const abi::Tensor* in, std::size_t, abi::Tensor* out, std::size_t, abi::Error*) noexcept override {
    *out = *in;
    if (flaw_ == "liar") out->size_bytes += 4;
    return Code::kOk;
  }
  void release() noexcept override { delete this; }

 private:
  abi::TensorInfo x_;
  abi::TensorInfo y_;
  std::string flaw_;
};

class FakeBackend final : public module::PlainBackend {
 public:
  const char* name() const noexcept override { return *FAKE_NAME == '\0' ? nullptr : FAKE_NAME; }
  const char* runtime() const noexcept override { return "Fake 1.0"; }
  std::int32_t device_count() const noexcept override { return 1; }
  Code open_engine(const abi::EngineSpec& spec, abi::Engine** engine, abi::Error* error) noexcept override {
    if (spec.option_count > 0) return module::fail(error, Code::kInvalidArgument, "no option named '%s'", spec.options[0].key);
    std::string word;
    std::ifstream(spec.model_path) >> word;
    if (word == "broken") return module::fail(error, Code::kCorrupt, "quoted from the model: \xFF!");
    if (word != "nothing") *engine = new EchoEngine(word);
    return Code::kOk;
  }
};

}  // namespace

EDGECORE_EXPORT abi::Backend* edgecore_backend(std::uint32_t version, abi::Error* error) {
  static FakeBackend backend;
  if (version == FAKE_VERSION) return &backend;
#ifndef FAKE_MUTE
  module::fail(error, Code::kUnsupported, "the module speaks version %d", FAKE_VERSION);
#else
  static_cast<void>(error);
#endif
  return nullptr;
}
