// One loaded model: its ports as the seam sees them, and slots that run side by side.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "edgecore/module.h"
#include "model_file.h"
#include "options.h"
#include "runtime.h"
#include "slot.h"

namespace edgecore::amlogic {

class Engine final : public abi::Engine {
 public:
  Engine(Runtime& runtime, Model model) noexcept : runtime_(runtime), model_(std::move(model)) {}

  abi::Code open(const EngineOptions& options, abi::Error* error);

  std::size_t input_count() const noexcept override { return inputs_.size(); }
  std::size_t output_count() const noexcept override { return outputs_.size(); }
  const abi::TensorInfo* input(std::size_t index) const noexcept override { return &inputs_[index]; }
  const abi::TensorInfo* output(std::size_t index) const noexcept override { return &outputs_[index]; }
  abi::Code run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                abi::Error* error) noexcept override;
  std::int32_t depth() const noexcept override { return static_cast<std::int32_t>(slots_.size()); }
  abi::Code submit(std::int32_t slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) noexcept override;
  abi::Code wait(std::int32_t slot, abi::Tensor* out, std::size_t out_count, abi::Error* error) noexcept override;
  abi::Code prepare(std::int32_t slot, const abi::Picture& picture, const abi::PictureInput& wish, abi::Tensor* input,
                    abi::Error* error) noexcept override;
  abi::CopyCounts copies() const noexcept override { return copies_; }
  void release() noexcept override;

 private:
  abi::Code announce(bool raw, abi::Error* error);
  bool is_slot(std::int32_t slot) const noexcept { return slot >= 0 && slot < depth(); }

  Runtime& runtime_;
  const Model model_;
  std::vector<abi::TensorInfo> inputs_;
  std::vector<abi::TensorInfo> outputs_;
  Handle<vx::Context> context_;
  std::deque<Slot> slots_;  // a Slot stays where it is
  abi::CopyCounts copies_;
};

}  // namespace edgecore::amlogic
