// The entry of libedgecore-v4l2.so, which decodes and runs no models.

#include <memory>

#include "decoder.h"
#include "edgecore/module.h"
#include "node.h"

namespace edgecore::v4l2 {
namespace {

using edgecore::abi::Code;
using edgecore::abi::Error;
using module::fail;

class Backend final : public module::PlainBackend {
 public:
  Code open(Error* error) noexcept {
    if (Code code = nodes_.find(error); code != Code::kOk) return code;
    const Node& first = nodes_.all().front();
    title_ = "V4L2 decoder '" + first.title + "' at " + first.path + " through " + first.door->title;
    return Code::kOk;
  }

  const char* name() const noexcept override { return "v4l2"; }
  const char* runtime() const noexcept override { return title_.c_str(); }
  std::int32_t device_count() const noexcept override { return static_cast<std::int32_t>(nodes_.all().size()); }

  Code open_engine(const edgecore::abi::EngineSpec&, edgecore::abi::Engine**, Error* error) noexcept override {
    return fail(error, Code::kUnsupported, "v4l2 decodes video and runs no models; name another backend for the model");
  }
  Code check_model(const char*, Error* error) noexcept override { return open_engine({}, nullptr, error); }

  Code open_decoder(const edgecore::abi::DecoderSpec& spec, edgecore::abi::Decoder** decoder,
                    Error* error) noexcept override {
    return v4l2::open_decoder(nodes_.all(), spec, decoder, error);
  }

 private:
  Nodes nodes_;
  std::string title_;
};

}  // namespace
}  // namespace edgecore::v4l2

EDGECORE_EXPORT edgecore::abi::Backend* edgecore_backend(std::uint32_t abi_version, edgecore::abi::Error* error) {
  return edgecore::module::enter<edgecore::v4l2::Backend>(abi_version, error);
}
