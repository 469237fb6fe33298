// One network of a loaded bmodel.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "edgecore/module.h"
#include "image.h"
#include "model_file.h"
#include "options.h"
#include "picture_feed.h"
#include "runtime.h"

namespace edgecore::sophon {

class Engine final : public abi::Engine {
 public:
  explicit Engine(const Libraries& libraries) : libraries_(libraries) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Reads, checks, and only then lets the vendor's loader see the file.
  abi::Code load(const abi::EngineSpec& spec, const EngineOptions& options, abi::Error* error) noexcept;

  std::size_t input_count() const noexcept override { return inputs_.size(); }
  std::size_t output_count() const noexcept override { return outputs_.size(); }
  const abi::TensorInfo* input(std::size_t index) const noexcept override { return &inputs_[index].info; }
  const abi::TensorInfo* output(std::size_t index) const noexcept override { return &outputs_[index].info; }

  abi::Code run(const abi::Tensor* in, std::size_t in_count, abi::Tensor* out, std::size_t out_count,
                abi::Error* error) noexcept override;
  std::int32_t depth() const noexcept override { return kDepth; }
  abi::Code submit(std::int32_t slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) noexcept override;
  abi::Code wait(std::int32_t slot, abi::Tensor* out, std::size_t out_count, abi::Error* error) noexcept override;
  abi::Code prepare(std::int32_t slot, const abi::Picture& picture, const abi::PictureInput& wish, abi::Tensor* input,
                    abi::Error* error) noexcept override;
  abi::CopyCounts copies() const noexcept override { return copies_; }
  void release() noexcept override { delete this; }

 private:
  ~Engine();

  /// The device works through its queue while the host makes the next input ready. More would only add latency.
  static constexpr std::int32_t kDepth = 2;

  struct Port {
    abi::TensorInfo info;
    bm::DataType dtype = bm::kFloat32;
    bm::Shape shape{};
    std::size_t size_bytes = 0;
  };
  struct Slot {
    std::vector<Buffer> inputs;
    std::vector<Buffer> outputs;
    PictureFeed feed;
    bool is_prepared = false;  // inputs[0] holds what prepare() made, until submit()
    bool is_open = false;      // between submit() and wait()
    bool is_launched = false;  // and the device may still be at it
  };

  abi::Code load_runtime(const std::string& bytes, abi::Error* error);
  abi::Code choose_network(const ModelFacts& model, const EngineOptions& options, const NetworkFacts*& network,
                           abi::Error* error);
  abi::Code choose_cores(std::size_t needed, const EngineOptions& options, abi::Error* error);
  abi::Code describe(const bm::NetworkInfo& info, abi::Error* error);
  abi::Code allocate(Slot& slot, abi::Error* error);
  abi::Code choose_pictures(const EngineOptions& options, abi::Error* error);
  abi::Code check_inputs(const Slot& slot, const abi::Tensor* in, std::size_t in_count, abi::Error* error) const;
  abi::Code check_wish(const abi::Picture& picture, const abi::PictureInput& wish, abi::Error* error) const;
  abi::Code check_slot(std::int32_t slot, bool is_open, abi::Error* error) const;
  abi::Code launch(Slot& slot, abi::Error* error);
  abi::Code finish_launched(abi::Error* error);

  const Libraries& libraries_;
  Device device_;
  bm::Runtime* runtime_ = nullptr;
  std::string network_;
  std::vector<int> cores_;  // empty: a chip of one core
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  Pictures pictures_ = Pictures::kOnDevice;
  ImageLibrary images_;
  abi::Error no_images_;  // why images_ is not there; kOk: it is
  std::array<Slot, kDepth> slots_;
  abi::CopyCounts copies_;
};

}  // namespace edgecore::sophon
