// One loaded plan on one GPU, with memory and a stream for every run that may be open at a time.
#pragma once

#include <memory>
#include <vector>

#include "cuda.h"
#include "plan.h"
#include "preprocess.h"
#include "surface_views.h"

namespace edgecore::tensorrt {

class Engine final : public abi::Engine {
 public:
  /// `library` outlives the engine.
  explicit Engine(Library& library) : library_(library) {}
  ~Engine();

  abi::Code load(const abi::EngineSpec& spec, const EngineOptions& options, abi::Error* error) noexcept;

  std::size_t input_count() const noexcept override { return plan_.inputs().size(); }
  std::size_t output_count() const noexcept override { return plan_.outputs().size(); }
  const abi::TensorInfo* input(std::size_t index) const noexcept override { return &plan_.inputs()[index].info; }
  const abi::TensorInfo* output(std::size_t index) const noexcept override { return &plan_.outputs()[index].info; }
  abi::Code run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                abi::Error* error) noexcept override;
  std::int32_t depth() const noexcept override { return static_cast<std::int32_t>(slots_.size()); }
  abi::Code submit(std::int32_t slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) noexcept override;
  abi::Code wait(std::int32_t slot, abi::Tensor* out, std::size_t out_count, abi::Error* error) noexcept override;
  abi::Code prepare(std::int32_t slot, const abi::Picture& picture, const abi::PictureInput& wish, abi::Tensor* input,
                    abi::Error* error) noexcept override;
  abi::CopyCounts copies() const noexcept override { return copies_; }
  void release() noexcept override { delete this; }

 private:
  /// Memory of one tensor: the GPU's own with pinned memory beside it for results, or, where the GPU shares the CPU's
  /// memory, pinned memory that both use.
  struct Memory {
    DeviceMemory device;
    PinnedMemory host;
  };
  /// A run: uploads in its own stream, the plan in the stream that all runs share (a context may not be in two), results
  /// in its own again. So copies of one run go beside the arithmetic of another.
  struct Slot {
    Stream stream;
    Event is_uploaded, is_computed;
    std::vector<Memory> inputs, outputs;
    DeviceMemory prepared;  // input 0, made from a picture
    PictureFeed pictures;
    std::vector<abi::Tensor> results;
    bool is_open = false;
  };

  Slot* find(std::int32_t slot) noexcept;
  abi::Code open_slot(Slot& slot, abi::Error* error) noexcept;
  abi::Code start(Slot& slot, const abi::Tensor* in, abi::Error* error) noexcept;
  abi::Code place_inputs(Slot& slot, const abi::Tensor* in, std::vector<void*>& addresses, abi::Error* error) noexcept;
  abi::Code place_outputs(Slot& slot, std::vector<void*>& addresses, abi::Error* error) noexcept;
  void settle(const Slot& slot) noexcept;
  abi::Code bring(Slot& slot, const abi::Picture& picture, abi::Picture& device, abi::Error* error) noexcept;
  abi::Code fetch_outputs(Slot& slot, abi::Error* error) noexcept;

  Library& library_;
  Gpu gpu_;
  Plan plan_;
  Stream compute_;
  PictureKernels kernels_;
  abi::Code kernels_code_ = abi::Code::kInternal;  // of the one attempt to load them
  abi::Error kernels_error_;
  bool kernels_tried_ = false;
  SurfaceViews surfaces_;
  std::vector<Slot> slots_;
  abi::CopyCounts copies_;
};

}  // namespace edgecore::tensorrt
