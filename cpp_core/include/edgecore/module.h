// The backend's side of the seam: small helpers for whoever writes a module. Header-only, so that a
// module links nothing of the core and may use another C++ runtime.
#pragma once

#include <cstdio>
#include <cstring>

#include "edgecore/abi.h"

#define EDGECORE_EXPORT extern "C" __attribute__((visibility("default")))

namespace edgecore::module {

/// Fills *error (which may be null) and returns `code`, so that a failure is one statement:
/// return fail(error, Code::kSdk, "%s: %d", "CreateSession", rc);
__attribute__((format(printf, 3, 4))) inline abi::Code fail(abi::Error* error, abi::Code code, const char* format,
                                                             ...) noexcept {
  if (error != nullptr) {
    error->code = code;
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    std::vsnprintf(error->text, sizeof error->text, format, arguments);
    __builtin_va_end(arguments);
  }
  return code;
}

/// Truncates rather than overruns; always terminated.
template <std::size_t N>
void copy_text(char (&target)[N], const char* text) noexcept {
  std::snprintf(target, N, "%s", text);
}

/// One plane of a picture as it lies in memory, without padding.
struct PlaneSize {
  std::int32_t row_bytes = 0;
  std::int32_t rows = 0;
};

inline int plane_count(const abi::Picture& picture) noexcept {
  switch (picture.layout) {
    case abi::PixelLayout::kPlanar: return 3;
    case abi::PixelLayout::kSemiPlanar: return 2;
    case abi::PixelLayout::kGray: break;
  }
  return 1;
}

/// Samples of a subsampled axis, rounded up as the codecs do.
inline std::int32_t halved(std::int32_t luma_samples, std::int32_t shift) noexcept {
  return (luma_samples + (1 << shift) - 1) >> shift;
}

inline PlaneSize plane_size(const abi::Picture& picture, int plane) noexcept {
  if (plane == 0) return {picture.width_px, picture.height_px};
  const std::int32_t width = halved(picture.width_px, picture.chroma_shift_x);
  return {picture.layout == abi::PixelLayout::kSemiPlanar ? 2 * width : width,
          halved(picture.height_px, picture.chroma_shift_y)};
}

/// An engine that only blocks: the rest of the seam for free. One run may be open; submit() does it, wait() hands it over.
class BlockingEngine : public abi::Engine {
 public:
  std::int32_t depth() const noexcept override { return 1; }

  abi::Code submit(std::int32_t, const abi::Tensor* in, std::size_t in_count, abi::Error* error) noexcept override {
    if (output_count() > kMaxOutputs) {
      return fail(error, abi::Code::kUnsupported, "%zu outputs, at most %zu are supported", output_count(), kMaxOutputs);
    }
    code_ = run(in, in_count, out_, output_count(), &error_);
    return abi::Code::kOk;
  }

  abi::Code wait(std::int32_t, abi::Tensor* out, std::size_t out_count, abi::Error* error) noexcept override {
    if (code_ != abi::Code::kOk) return fail(error, code_, "%s", error_.text);
    if (out_count != output_count()) {
      return fail(error, abi::Code::kInvalidArgument, "expected %zu outputs, found %zu", output_count(), out_count);
    }
    for (std::size_t i = 0; i < out_count; ++i) out[i] = out_[i];
    return abi::Code::kOk;
  }

  abi::Code prepare(std::int32_t, const abi::Picture&, const abi::PictureInput&, abi::Tensor*,
                    abi::Error* error) noexcept override {
    return fail(error, abi::Code::kUnsupported, "this engine takes tensors only");
  }
  abi::CopyCounts copies() const noexcept override { return {}; }

 protected:
  ~BlockingEngine() = default;

 private:
  static constexpr std::size_t kMaxOutputs = 32;
  abi::Tensor out_[kMaxOutputs];
  abi::Error error_;
  abi::Code code_ = abi::Code::kInternal;
};

/// The optional part of a backend, as one that has none of it.
class PlainBackend : public abi::Backend {
 public:
  abi::Code check_model(const char*, abi::Error*) noexcept override { return abi::Code::kOk; }
  std::int32_t survives_bad_models() const noexcept override { return 1; }
  abi::Code open_decoder(const abi::DecoderSpec&, abi::Decoder**, abi::Error* error) noexcept override {
    return fail(error, abi::Code::kUnsupported, "%s decodes no pictures", name());
  }

 protected:
  ~PlainBackend() = default;
};

/// The body of a module's entry: one backend a process, opened at the first call; its failure is told at every one.
/// Opened has, beside the seam, `abi::Code open(abi::Error*)`, which opens the vendor's libraries.
template <typename Opened>
abi::Backend* enter(std::uint32_t abi_version, abi::Error* error) noexcept {
  if (abi_version != abi::kVersion) {
    fail(error, abi::Code::kUnsupported, "the module speaks version %u of the seam, the core %u", abi::kVersion,
         abi_version);
    return nullptr;
  }
  // Never destroyed: a vendor library's own statics may be gone by the time ours would run their destructors.
  static auto* const backend = new Opened;
  static abi::Error failure;
  static const abi::Code opened = backend->open(&failure);
  if (opened == abi::Code::kOk) return backend;
  if (error != nullptr) *error = failure;
  return nullptr;
}

}  // namespace edgecore::module
