// Engines without a vendor. What each gets wrong is a word of the model file.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "edgecore/module.h"

namespace fake {

using namespace edgecore;
using abi::Code;

inline bool has_word(const std::string& words, const char* word) {
  return (" " + words + " ").find(" " + std::string(word) + " ") != std::string::npos;
}

/// y = x, on float32 ?x2. Flaws: "rank", "type", "portless", "countless", "huge", "large", "unterminated", "depthless", "liar".
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
  std::size_t output_count() const noexcept override { return flaw_ == "countless" ? ~std::size_t{0} : 1; }
  const abi::TensorInfo* input(std::size_t) const noexcept override { return &x_; }
  const abi::TensorInfo* output(std::size_t) const noexcept override { return flaw_ == "portless" ? nullptr : &y_; }
  std::int32_t depth() const noexcept override { return flaw_ == "depthless" ? 0 : 1; }
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

/// A detector with three slots, on float32 1x3x4x4 -> 1x5x1 in yolov8's layout: a box of the picture's size whose
/// score is the input's first value, so that a test sees which frame a result belongs to. It works when it is waited
/// for, as a device would meanwhile: what is submitted must still be there.
///
/// "device": prepare() makes the input of pictures in its own memory, which no host may read (kDevice).
/// "any-batch", "batch-4": takes any number of inputs in one run, or four; the box is as wide as the run has rows.
/// "one-output": announces a first dimension of its output that is no batch. "one-row": gives an output of one row alone.
/// "counting": counts a copy for each of its inputs. "choosy": prepares semi-planar pictures alone.
/// Flaws: "short", "misplaced", "square": prepare() lies about size, place or shape. "leaves-outputs": on the device.
/// "fails-at-N": the Nth wait fails; "refuses-N": the Nth submit does. "chatty": prints on stdout whenever it is called.
class QueueEngine final : public abi::Engine {
 public:
  explicit QueueEngine(std::string words);
  std::size_t input_count() const noexcept override { return 1; }
  std::size_t output_count() const noexcept override { return 1; }
  const abi::TensorInfo* input(std::size_t) const noexcept override { return &x_; }
  const abi::TensorInfo* output(std::size_t) const noexcept override { return &y_; }
  Code run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
           abi::Error* error) noexcept override;
  std::int32_t depth() const noexcept override { return kDepth; }
  Code submit(std::int32_t slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) noexcept override;
  Code wait(std::int32_t slot, abi::Tensor* out, std::size_t out_count, abi::Error* error) noexcept override;
  Code prepare(std::int32_t slot, const abi::Picture& picture, const abi::PictureInput& wish, abi::Tensor* input,
               abi::Error* error) noexcept override;
  abi::CopyCounts copies() const noexcept override { return copies_; }
  void release() noexcept override;

 private:
  static constexpr std::int32_t kDepth = 3;
  static constexpr std::size_t kInputs = 48;  // of one row
  static constexpr std::int64_t kMostRows = 16;
  struct Slot {
    abi::Tensor in;
    float prepared[kInputs] = {};
    float out[5 * kMostRows] = {};
    bool is_open = false;
  };
  bool has(const char* word) const { return has_word(words_, word); }
  void chat(const char* call) const;

  std::string words_;
  bool is_batched_;
  abi::TensorInfo x_, y_;
  abi::CopyCounts copies_;
  int submits_ = 0, waits_ = 0;
  Slot slots_[kDepth];
};

}  // namespace fake
