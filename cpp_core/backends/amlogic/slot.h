// A graph of one node, the compiled network, with tensors of its own: one run at a time.
#pragma once

#include <vector>

#include "edgecore/abi.h"
#include "model_file.h"
#include "runtime.h"

namespace edgecore::amlogic {

class Slot {
 public:
  Slot(const Runtime& runtime, const Model& model) noexcept : api_(runtime.api), model_(model) {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() { abandon(); }

  /// Loads the model into a graph of `context`. kSdk: the driver refuses it.
  abi::Code open(vx::Context context, bool raw, abi::Error* error);

  bool is_busy() const noexcept { return busy_; }
  abi::Code start(const abi::Tensor* in, abi::CopyCounts& copies, abi::Error* error) noexcept;
  abi::Code finish(abi::Tensor* out, abi::CopyCounts& copies, abi::Error* error) noexcept;
  void abandon() noexcept;  // waits, and drops what came out

 private:
  abi::Code create_tensor(vx::Context context, const Port& port, Handle<vx::Tensor>& tensor, abi::Error* error);
  abi::Code bind(abi::Error* error);

  template <typename Use>
  abi::Code with_bytes(vx::Tensor tensor, const Port& port, vx::Usage usage, abi::Error* error, Use use) noexcept;

  const vx::Api& api_;
  const Model& model_;
  bool raw_ = false;
  bool busy_ = false;
  // Released from the last to the first.
  std::vector<Handle<vx::Tensor>> inputs_;
  std::vector<Handle<vx::Tensor>> outputs_;
  Handle<vx::Kernel> kernel_;
  Handle<vx::Graph> graph_;
  Handle<vx::Node> node_;
  std::vector<std::vector<char>> results_;  // of the last run: the caller reads them
};

}  // namespace edgecore::amlogic
