#include "fake_engines.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace fake {

QueueEngine::QueueEngine(std::string words) : words_(std::move(words)) {
  module::copy_text(x_.name, "x");
  module::copy_text(y_.name, "y");
  x_.rank = 4;
  y_.rank = 3;
  std::copy_n(std::array{1, 3, 4, 4}.begin(), x_.rank, x_.shape);
  std::copy_n(std::array{1, 5, 1}.begin(), y_.rank, y_.shape);
  is_batched_ = has("any-batch") || has("batch-4");
  if (is_batched_) x_.shape[0] = y_.shape[0] = has("batch-4") ? 4 : -1;
  if (has("one-output")) y_.shape[0] = 1;
}

/// As vendors' libraries do: half of it in stdio's buffer, half past it.
void QueueEngine::chat(const char* call) const {
  if (!has("chatty")) return;
  std::printf("[fake] %s\n", call);
  std::fflush(stdout);
}

Code QueueEngine::submit(std::int32_t slot, const abi::Tensor* in, std::size_t, abi::Error* error) noexcept {
  chat("submit");
  Slot& chosen = slots_[slot];
  if (chosen.is_open) std::abort();  // the core has to see to it
  ++submits_;
  if (has(("refuses-" + std::to_string(submits_)).c_str())) {
    return module::fail(error, Code::kSdk, "submit %d refused", submits_);
  }
  chosen.in = *in;
  chosen.is_open = true;
  if (has("counting") && in->place == abi::Place::kHost) {
    ++copies_.to_device;
    copies_.to_device_bytes += in->size_bytes;
  }
  return Code::kOk;
}

Code QueueEngine::wait(std::int32_t slot, abi::Tensor* out, std::size_t, abi::Error* error) noexcept {
  chat("wait");
  Slot& chosen = slots_[slot];
  if (!chosen.is_open) std::abort();
  chosen.is_open = false;
  ++waits_;
  if (has(("fails-at-" + std::to_string(waits_)).c_str())) return module::fail(error, Code::kSdk, "wait %d failed", waits_);
  const std::int64_t rows = chosen.in.shape[0];
  if (rows > kMostRows) std::abort();
  for (std::int64_t row = 0; row < rows; ++row) {
    const float score = static_cast<const float*>(chosen.in.data)[static_cast<std::size_t>(row) * kInputs];
    const float width = is_batched_ ? static_cast<float>(rows) : 4;
    const float box[5] = {2, 2, width, 4, score};  // centre and size in input pixels, score
    std::memcpy(chosen.out + row * 5, box, sizeof box);
  }
  *out = {};
  out->data = chosen.out;
  out->rank = y_.rank;
  std::memcpy(out->shape, y_.shape, sizeof out->shape);
  out->shape[0] = has("one-row") ? 1 : rows;
  out->size_bytes = static_cast<std::size_t>(out->shape[0]) * 5 * sizeof(float);
  if (has("leaves-outputs")) out->place = abi::Place::kDevice;
  return Code::kOk;
}

Code QueueEngine::run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                      abi::Error* error) noexcept {
  if (has("crashes-in-run")) std::raise(SIGSEGV);
  const Code code = submit(0, in, in_count, error);
  return code == Code::kOk ? wait(0, out, out_count, error) : code;
}

/// Its "device" is the first sample of the picture, in every value of the tensor.
Code QueueEngine::prepare(std::int32_t slot, const abi::Picture& picture, const abi::PictureInput& wish,
                          abi::Tensor* input, abi::Error* error) noexcept {
  chat("prepare");
  const bool suits = has("device") && (!has("choosy") || picture.layout == abi::PixelLayout::kSemiPlanar);
  if (has("asked")) ++copies_.to_host;  // a test counts how often it was asked
  if (!suits) return module::fail(error, Code::kUnsupported, "not this picture");
  Slot& chosen = slots_[slot];
  const auto level = static_cast<float>(*static_cast<const unsigned char*>(picture.planes[0]));
  for (float& value : chosen.prepared) value = (level - wish.mean[0]) * wish.scale[0];
  *input = {};
  input->data = chosen.prepared;
  input->size_bytes = sizeof chosen.prepared;
  input->rank = x_.rank;
  std::memcpy(input->shape, x_.shape, sizeof input->shape);
  input->place = abi::Place::kDevice;
  if (has("short")) input->size_bytes -= 4;
  if (has("misplaced")) input->place = static_cast<abi::Place>(7);
  if (has("square")) {
    input->shape[2] = 8;
    input->shape[3] = 2;
  }
  return Code::kOk;
}

void QueueEngine::release() noexcept {
  for (const Slot& slot : slots_) {
    if (slot.is_open) std::abort();
  }
  delete this;
}

}  // namespace fake
