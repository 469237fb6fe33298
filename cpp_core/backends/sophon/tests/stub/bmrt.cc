// A stand-in for libbmrt.so.1.0, for tests alone. It knows two networks, affine and small, of one input, and one rule:
// y = 2 * x + 1, whatever the file's commands say, each output from the first numbers of the input. It ends the process
// on bytes that are no model, as the real one does.

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "abi/bmrt.h"
#include "model_file.h"
#include "stub.h"

using edgecore::abi::Code;
using edgecore::abi::Error;
using edgecore::sophon::ModelFacts;
using edgecore::sophon::TensorFacts;
using stub::fails;

namespace bm {

/// One side of the network, in the arrays that NetworkInfo points to.
struct Side {
  std::vector<const char*> names;
  std::vector<DataType> dtypes;
  std::vector<float> scales;
  std::vector<int> zero_points;
  std::vector<Shape> shapes;
  std::vector<std::size_t> bytes;

  void add(const TensorFacts& tensor) {
    Shape shape{};
    std::size_t size_bytes = 4;
    for (const std::uint64_t size : tensor.shape) {
      shape.dims[shape.rank++] = static_cast<int>(size);
      size_bytes *= size;
    }
    names.push_back(tensor.name.c_str());
    dtypes.push_back(static_cast<DataType>(tensor.dtype));
    scales.push_back(1.0F);
    zero_points.push_back(0);
    shapes.push_back(shape);
    bytes.push_back(size_bytes);
  }
};

struct Runtime {
  Handle handle = nullptr;
  ModelFacts model;
  Side inputs;
  Side outputs;
  StageInfo stage{};
  NetworkInfo info{};
};

}  // namespace bm

namespace {

bool is_known(std::string_view network) { return network == "affine" || network == "small"; }

float* floats_of(const bm::Tensor& tensor) {
  return reinterpret_cast<float*>(static_cast<std::uintptr_t>(tensor.memory.address));
}

void describe(bm::Runtime& runtime) {
  const auto& network = runtime.model.networks.front();
  for (const TensorFacts& tensor : network.inputs) runtime.inputs.add(tensor);
  for (const TensorFacts& tensor : network.outputs) runtime.outputs.add(tensor);
  runtime.stage = {runtime.inputs.shapes.data(), runtime.outputs.shapes.data(), nullptr, nullptr};
  bm::NetworkInfo& info = runtime.info;
  info.name = network.name.c_str();
  info.input_count = static_cast<int>(network.inputs.size());
  info.input_names = runtime.inputs.names.data();
  info.input_dtypes = runtime.inputs.dtypes.data();
  info.input_scales = runtime.inputs.scales.data();
  info.input_zero_points = runtime.inputs.zero_points.data();
  info.max_input_bytes = runtime.inputs.bytes.data();
  info.output_count = static_cast<int>(network.outputs.size());
  info.output_names = runtime.outputs.names.data();
  info.output_dtypes = runtime.outputs.dtypes.data();
  info.output_scales = runtime.outputs.scales.data();
  info.output_zero_points = runtime.outputs.zero_points.data();
  info.max_output_bytes = runtime.outputs.bytes.data();
  info.stage_count = 1;
  info.stages = &runtime.stage;
}

}  // namespace

STUB_EXPORT bm::Runtime* bmrt_create(bm::Handle handle) {
  if (fails("bmrt_create")) return nullptr;
  auto* runtime = new bm::Runtime;
  runtime->handle = handle;
  return runtime;
}

STUB_EXPORT void bmrt_destroy(bm::Runtime* runtime) { delete runtime; }

STUB_EXPORT bool bmrt_load_bmodel_data(bm::Runtime* runtime, const void* data, std::size_t size_bytes) {
  const std::string bytes(static_cast<const char*>(data), size_bytes);
  Error error;
  if (edgecore::sophon::check_model(bytes, runtime->model, &error) != Code::kOk) std::_Exit(255);
  unsigned chip_id = 0;
  if (bm_get_chipid(runtime->handle, &chip_id) != bm::kSuccess) return false;
  if (edgecore::sophon::check_chip(runtime->model.chip, chip_id, &error) != Code::kOk) return false;
  const auto& network = runtime->model.networks.front();
  if (fails("bmrt_load_bmodel_data") || !is_known(network.name) || network.inputs.size() != 1) return false;
  describe(*runtime);
  return true;
}

STUB_EXPORT const bm::NetworkInfo* bmrt_get_network_info(bm::Runtime* runtime, const char* name) {
  return !fails("bmrt_get_network_info") && is_known(name) ? &runtime->info : nullptr;
}

STUB_EXPORT bool bmrt_launch_tensor_ex(bm::Runtime* runtime, const char*, const bm::Tensor* in, int in_count,
                                       bm::Tensor* out, int out_count, bool user_mem, bool) {
  const auto outputs = static_cast<int>(runtime->outputs.bytes.size());
  if (fails("bmrt_launch_tensor_ex") || !user_mem || in_count != 1 || out_count != outputs) return false;
  const std::size_t numbers = runtime->inputs.bytes.front() / sizeof(float);
  for (std::size_t at = 0; at < runtime->outputs.bytes.size(); ++at) {
    const std::size_t count = runtime->outputs.bytes[at] / sizeof(float);
    for (std::size_t i = 0; i < count; ++i) floats_of(out[at])[i] = 2.0F * floats_of(in[0])[i % numbers] + 1.0F;
  }
  return true;
}

STUB_EXPORT bool bmrt_launch_tensor_multi_cores(bm::Runtime* runtime, const char* network, const bm::Tensor* in,
                                                int in_count, bm::Tensor* out, int out_count, bool user_mem,
                                                bool user_store_mode, const int*, int) {
  if (fails("bmrt_launch_tensor_multi_cores")) return false;
  return bmrt_launch_tensor_ex(runtime, network, in, in_count, out, out_count, user_mem, user_store_mode);
}
