#include "network.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../cpu/engine.h"

namespace stand_in {
namespace {

using edgecore::abi::Code;
using edgecore::abi::DType;

/// lib/edgecore/libonnxruntime.so.1 of the tree whose share/edgecore/stubs/NAME/ holds this library, unless one is named.
void point_to_onnxruntime() {
  Dl_info own{};
  if (dladdr(reinterpret_cast<void*>(&point_to_onnxruntime), &own) == 0) return;
  const std::string path = own.dli_fname;
  const std::string shipped = path.substr(0, path.rfind('/') + 1) + "../../../../lib/edgecore/libonnxruntime.so.1";
  if (access(shipped.c_str(), F_OK) == 0) setenv("EDGECORE_ONNXRUNTIME", shipped.c_str(), /*overwrite=*/0);
}

edgecore::cpu::Runtime* open_once(std::string& problem) {
  static edgecore::abi::Error error;
  static edgecore::cpu::Runtime* const runtime = [] {
    point_to_onnxruntime();
    auto* opened = new edgecore::cpu::Runtime;
    return edgecore::cpu::open_runtime(*opened, &error) == Code::kOk ? opened : nullptr;
  }();
  if (runtime == nullptr) problem = error.text;
  return runtime;
}

}  // namespace

std::size_t Tensor::element_bytes() const {
  switch (dtype) {
    case DType::kFloat16: return 2;
    case DType::kInt8:
    case DType::kUInt8: return 1;
    case DType::kInt64: return 8;
    case DType::kFloat32:
    case DType::kInt32: break;
  }
  return 4;
}

std::size_t size_bytes(const Shape& shape, std::size_t element_bytes) {
  std::size_t size = element_bytes;
  for (const std::int64_t extent : shape) size *= static_cast<std::size_t>(std::max<std::int64_t>(extent, 0));
  return size;
}

Network::~Network() {
  if (engine_ != nullptr) engine_->release();
}

bool Network::load(const void* onnx, std::size_t size, std::string& problem) {
  edgecore::cpu::Runtime* const runtime = open_once(problem);
  if (runtime == nullptr) return false;
  // ONNX Runtime is asked for a file; this one has no name.
  const int file = static_cast<int>(syscall(SYS_memfd_create, "stand-in", 0));  // glibc has it from 2.27 on
  const bool is_written = file >= 0 && write(file, onnx, size) == static_cast<ssize_t>(size);
  engine_ = new edgecore::cpu::Engine(*runtime);
  edgecore::abi::Error error;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const Code code = is_written ? engine_->load(path.c_str(), /*threads=*/1, {}, &error) : Code::kInternal;
  if (file >= 0) close(file);
  if (code != Code::kOk) {
    problem = error.text;
    return false;
  }
  const auto add = [&](const edgecore::abi::TensorInfo& info, bool is_input) {
    tensors_.push_back({info.name, Shape(info.shape, info.shape + info.rank), info.dtype, is_input});
  };
  inputs_ = engine_->input_count();
  for (std::size_t i = 0; i < inputs_; ++i) add(*engine_->input(i), true);
  for (std::size_t i = 0; i < engine_->output_count(); ++i) add(*engine_->output(i), false);
  return true;
}

bool Network::run(const std::vector<const void*>& in, const std::vector<Shape>& shapes,
                  std::vector<edgecore::abi::Tensor>& out, std::string& problem) {
  std::vector<edgecore::abi::Tensor> raw(inputs_);
  for (std::size_t i = 0; i < inputs_; ++i) {
    raw[i].data = const_cast<void*>(in[i]);
    raw[i].size_bytes = size_bytes(shapes[i], tensors_[i].element_bytes());
    raw[i].rank = static_cast<std::int32_t>(shapes[i].size());
    raw[i].dtype = tensors_[i].dtype;
    std::copy(shapes[i].begin(), shapes[i].end(), raw[i].shape);
  }
  out.resize(tensors_.size() - inputs_);
  edgecore::abi::Error error;
  if (engine_->run(raw.data(), raw.size(), out.data(), out.size(), &error) == Code::kOk) return true;
  problem = error.text;
  return false;
}

bool Network::infer(const std::vector<Shape>& shapes, std::vector<Shape>& outputs, std::string& problem) {
  std::vector<std::vector<unsigned char>> zeros;
  std::vector<const void*> in;
  for (std::size_t i = 0; i < inputs_; ++i) zeros.emplace_back(size_bytes(shapes[i], tensors_[i].element_bytes()) + 1);
  for (const auto& each : zeros) in.push_back(each.data());
  std::vector<edgecore::abi::Tensor> out;
  if (!run(in, shapes, out, problem)) return false;
  outputs.clear();
  for (const auto& each : out) outputs.emplace_back(each.shape, each.shape + each.rank);
  return true;
}

}  // namespace stand_in
