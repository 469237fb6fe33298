// The module of a vendor that nobody knows: its models are "ACMEMODL", then a factor and a summand as two floats.
// It needs no library, so that the contract suite can run all of it.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "edgecore/module.h"

namespace {

using namespace edgecore;
using abi::Code;
using module::fail;

constexpr char kMagic[] = "ACMEMODL";
constexpr std::size_t kMagicBytes = sizeof kMagic - 1;
constexpr std::size_t kElements = 4;

struct Affine {
  float factor = 0.0F;
  float summand = 0.0F;
};

struct Close {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

Code read_model(const char* path, Affine& affine, abi::Error* error) noexcept {
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path, "rb"));
  if (!file) return fail(error, Code::kNotFound, "%s: %s", path, std::strerror(errno));
  char bytes[kMagicBytes + sizeof affine + 1];
  const std::size_t size = std::fread(bytes, 1, sizeof bytes, file.get());
  if (size != sizeof bytes - 1 || std::memcmp(bytes, kMagic, kMagicBytes) != 0) {
    return fail(error, Code::kCorrupt, "%s: is no Acme model", path);
  }
  std::memcpy(&affine, bytes + kMagicBytes, sizeof affine);
  return Code::kOk;
}

abi::TensorInfo row_of_four(const char* name) noexcept {
  abi::TensorInfo info;
  module::copy_text(info.name, name);
  info.rank = 2;
  info.shape[0] = 1;
  info.shape[1] = kElements;
  return info;
}

class Engine final : public module::BlockingEngine {
 public:
  explicit Engine(const Affine& affine) noexcept : affine_(affine) {}
  std::size_t input_count() const noexcept override { return 1; }
  std::size_t output_count() const noexcept override { return 1; }
  const abi::TensorInfo* input(std::size_t) const noexcept override { return &input_; }
  const abi::TensorInfo* output(std::size_t) const noexcept override { return &output_; }

  Code run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
           abi::Error* error) noexcept override {
    if (in_count != 1 || out_count != 1 || in == nullptr || out == nullptr || !fits(*in)) {
      return fail(error, Code::kInvalidArgument, "one tensor of float32 1x4 goes in, one comes out");
    }
    const auto* x = static_cast<const float*>(in->data);
    for (std::size_t i = 0; i < kElements; ++i) result_[i] = affine_.factor * x[i] + affine_.summand;
    *out = *in;
    out->data = result_;
    return Code::kOk;
  }

  void release() noexcept override { delete this; }

 private:
  static bool fits(const abi::Tensor& in) noexcept {
    return in.rank == 2 && in.shape[0] == 1 && in.shape[1] == kElements && in.dtype == abi::DType::kFloat32 &&
           in.place == abi::Place::kHost && in.data != nullptr && in.size_bytes == sizeof(float) * kElements;
  }

  Affine affine_;
  abi::TensorInfo input_ = row_of_four("x");
  abi::TensorInfo output_ = row_of_four("y");
  float result_[kElements] = {};
};

class Backend final : public module::PlainBackend {
 public:
  const char* name() const noexcept override { return "acme"; }
  const char* runtime() const noexcept override { return "Acme NN 1.0"; }
  std::int32_t device_count() const noexcept override { return 1; }

  Code check_model(const char* path, abi::Error* error) noexcept override {
    Affine ignored;
    return read_model(path, ignored, error);
  }

  Code open_engine(const abi::EngineSpec& spec, abi::Engine** engine, abi::Error* error) noexcept override {
    if (spec.option_count != 0) return fail(error, Code::kInvalidArgument, "no option '%s'", spec.options[0].key);
    Affine affine;
    if (const Code code = read_model(spec.model_path, affine, error); code != Code::kOk) return code;
    *engine = new (std::nothrow) Engine(affine);
    return *engine != nullptr ? Code::kOk : fail(error, Code::kInternal, "out of memory");
  }
};

}  // namespace

EDGECORE_EXPORT abi::Backend* edgecore_backend(std::uint32_t abi_version, abi::Error* error) {
  static Backend backend;
  if (abi_version == abi::kVersion) return &backend;
  fail(error, Code::kUnsupported, "built for seam %u, the core has %u", abi::kVersion, abi_version);
  return nullptr;
}
