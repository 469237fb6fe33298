#include "slot.h"

#include <cstring>
#include <utility>

#include "edgecore/module.h"

namespace edgecore::amlogic {
namespace {

using abi::Code;
using module::fail;

constexpr std::size_t kMaxDimensions = 6;  // of an NBG

/// The driver counts dimensions from the innermost.
template <typename Size>
void reversed(const Port& port, Size (&sizes)[kMaxDimensions]) {
  const std::size_t rank = port.shape.size();
  for (std::size_t i = 0; i < rank; ++i) sizes[i] = static_cast<Size>(port.shape[rank - 1 - i]);
}

}  // namespace

Code Slot::open(vx::Context context, bool raw, abi::Error* error) {
  raw_ = raw;
  Checker check(api_, error);
  const bool created = check.own(api_.vxImportKernelFromURL(context, vx::kFromPointer, model_.bytes.data()), kernel_,
                                 "vxImportKernelFromURL") &&
                       check.own(api_.vxCreateGraph(context), graph_, "vxCreateGraph") &&
                       check.own(api_.vxCreateGenericNode(graph_.get(), kernel_.get()), node_, "vxCreateGenericNode");
  if (!created) return check.code();
  for (const Port& port : model_.inputs) {
    if (Code code = create_tensor(context, port, inputs_.emplace_back(), error); code != Code::kOk) return code;
  }
  for (const Port& port : model_.outputs) {
    if (Code code = create_tensor(context, port, outputs_.emplace_back(), error); code != Code::kOk) return code;
    results_.emplace_back(raw ? port.stored_bytes() : port.count() * sizeof(float));
  }
  if (Code code = bind(error); code != Code::kOk) return code;
  check(api_.vxVerifyGraph(graph_.get()), "vxVerifyGraph");
  return check.code();
}

Code Slot::create_tensor(vx::Context context, const Port& port, Handle<vx::Tensor>& tensor, abi::Error* error) {
  std::uint32_t sizes[kMaxDimensions] = {};
  reversed(port, sizes);
  vx::TensorParams params{};
  params.rank = static_cast<std::uint32_t>(port.shape.size());
  params.sizes = sizes;
  params.type = port.element.type;
  params.quant_format = port.element.quant;
  if (port.element.quant == vx::kQuantFixedPoint) params.quant.fixed_point = {port.element.position};
  if (port.element.quant == vx::kQuantAffine) params.quant.affine = {port.element.scale, port.element.zero_point};
  Checker check(api_, error);
  check.own(api_.vxCreateTensor2(context, &params, sizeof params), tensor, "vxCreateTensor2");
  return check.code();
}

/// The node's parameters that are tensors are the model's ports, in their order. Others (scalars) stay as the model has
/// them.
Code Slot::bind(abi::Error* error) {
  Checker check(api_, error);
  std::uint32_t count = 0;
  if (!check(api_.vxQueryNode(node_.get(), vx::kNodeParameters, &count, sizeof count), "vxQueryNode"))
    return check.code();
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    Handle<vx::Parameter> parameter;
    if (!check.own(api_.vxGetParameterByIndex(node_.get(), i), parameter, "vxGetParameterByIndex")) return check.code();
    vx::Enum type = 0;
    vx::Enum direction = 0;
    if (!check(api_.vxQueryParameter(parameter.get(), vx::kParameterType, &type, sizeof type), "vxQueryParameter") ||
        !check(api_.vxQueryParameter(parameter.get(), vx::kParameterDirection, &direction, sizeof direction),
               "vxQueryParameter")) {
      return check.code();
    }
    if (type != vx::kTensor) continue;
    std::size_t& next = direction == vx::kInput ? inputs : outputs;
    const std::vector<Handle<vx::Tensor>>& tensors = direction == vx::kInput ? inputs_ : outputs_;
    const std::size_t index = next++;
    if (index >= tensors.size()) continue;  // refused below
    if (!check(api_.vxSetParameterByIndex(node_.get(), i, tensors[index].get()), "vxSetParameterByIndex"))
      return check.code();
  }
  if (inputs == inputs_.size() && outputs == outputs_.size()) return Code::kOk;
  return fail(error, Code::kCorrupt,
              "the driver finds %zu inputs and %zu outputs in the model, its header names %zu and %zu", inputs, outputs,
              inputs_.size(), outputs_.size());
}

/// Lets `use` work on the tensor's own memory, dense and row-major.
template <typename Use>
Code Slot::with_bytes(vx::Tensor tensor, const Port& port, vx::Usage usage, abi::Error* error, Use use) noexcept {
  const std::size_t rank = port.shape.size();
  const std::size_t start[kMaxDimensions] = {};
  std::size_t end[kMaxDimensions] = {};
  std::size_t stride_bytes[kMaxDimensions] = {};
  reversed(port, end);
  vx::MapId id = 0;
  void* bytes = nullptr;
  Checker check(api_, error);
  if (!check(api_.vxMapTensorPatch(tensor, rank, start, end, &id, stride_bytes, &bytes, usage, vx::kMemoryHost),
             "vxMapTensorPatch")) {
    return check.code();
  }
  std::size_t dense_bytes = size_of(port.element.type);
  bool is_dense = bytes != nullptr;
  for (std::size_t i = 0; i < rank; ++i) {
    is_dense = is_dense && stride_bytes[i] == dense_bytes;
    dense_bytes *= end[i];
  }
  if (is_dense) use(bytes);
  check(api_.vxUnmapTensorPatch(tensor, id), "vxUnmapTensorPatch");
  if (is_dense) return check.code();
  return fail(error, Code::kSdk, "vxMapTensorPatch gives '%s' with gaps between its rows, which is not supported",
              port.name.c_str());
}

Code Slot::start(const abi::Tensor* in, abi::CopyCounts& copies, abi::Error* error) noexcept {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Port& port = model_.inputs[i];
    const Code code = with_bytes(inputs_[i].get(), port, vx::kWriteOnly, error, [&](void* stored) {
      if (raw_) {
        std::memcpy(stored, in[i].data, port.stored_bytes());
      } else {
        quantize(static_cast<const float*>(in[i].data), port.count(), port.element, stored);
      }
    });
    if (code != Code::kOk) return code;
    ++copies.to_device;  // converting or not, the bytes are written anew
    copies.to_device_bytes += port.stored_bytes();
  }
  Checker check(api_, error);
  busy_ = check(api_.vxScheduleGraph(graph_.get()), "vxScheduleGraph");
  return check.code();
}

void Slot::abandon() noexcept {
  if (std::exchange(busy_, false)) api_.vxWaitGraph(graph_.get());
}

Code Slot::finish(abi::Tensor* out, abi::CopyCounts& copies, abi::Error* error) noexcept {
  busy_ = false;
  Checker check(api_, error);
  if (!check(api_.vxWaitGraph(graph_.get()), "vxWaitGraph")) return check.code();
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const Port& port = model_.outputs[i];
    std::vector<char>& result = results_[i];
    const Code code = with_bytes(outputs_[i].get(), port, vx::kReadOnly, error, [&](const void* stored) {
      if (raw_) {
        std::memcpy(result.data(), stored, result.size());
      } else {
        dequantize(stored, port.count(), port.element, reinterpret_cast<float*>(result.data()));
      }
    });
    if (code != Code::kOk) return code;
    ++copies.to_host;
    copies.to_host_bytes += port.stored_bytes();
    out[i].data = result.data();
    out[i].size_bytes = result.size();
  }
  return Code::kOk;
}

}  // namespace edgecore::amlogic
