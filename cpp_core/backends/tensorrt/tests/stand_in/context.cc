// The stand-in's execution context: shapes, addresses, and runs in a stream of the stand-in driver.

#include <algorithm>
#include <cstring>

#include "objects.h"

namespace stand_in {
namespace {

constexpr const char* kKind = "IExecutionContext";
using Self = ContextImplementation;

bool is_alive(const Self* self, const char* call) { return door().expect(kKind, &self->handle, call); }

std::int32_t find(const Self* self, const char* name, const char* call) {
  if (!is_alive(self, call)) return -1;
  for (std::size_t i = 0; i < self->shapes.size(); ++i) {
    if (self->network->tensors()[i].name == name) return static_cast<std::int32_t>(i);
  }
  door().broken((std::string(call) + ": no tensor named " + name).c_str());
  return -1;
}

bool refuse(const Self* self, const std::string& text) {
  log_error(self->logger, text);
  return false;
}

/// Fails on demand, with words in the log.
bool fails(const Self* self, const char* call) {
  return door().fails(call) && !refuse(self, std::string(call) + ": a failure that the stand-in injected");
}

bool set_shape(Self* self, std::int32_t index, const Dims& dims) {
  if (index < 0) return false;
  if (fails(self, "set a shape")) return false;
  const auto at = static_cast<std::size_t>(index);
  const Tensor& tensor = self->network->tensors()[at];
  if (!tensor.is_input || dims.rank != static_cast<std::int32_t>(tensor.shape.size())) return refuse(self, "set a shape: no such input");
  const Shape shape(dims.extents, dims.extents + dims.rank);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    constexpr std::int64_t kMost = 4096;  // of the stand-in's one profile
    if (shape[i] < 0 || shape[i] > kMost || (tensor.shape[i] >= 0 && shape[i] != tensor.shape[i])) {
      return refuse(self, "set a shape: " + std::to_string(shape[i]) + " is outside the profile of dimension " + std::to_string(i));
    }
  }
  self->is_inferred = self->is_inferred && self->shapes[at] == shape;
  self->shapes[at] = shape;
  return true;
}

bool is_free(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent < 0; });
}

bool infer(Self* self) {
  if (self->is_inferred) return true;
  const auto inputs = static_cast<std::ptrdiff_t>(self->network->input_count());
  const std::vector<Shape> in(self->shapes.begin(), self->shapes.begin() + inputs);
  if (std::any_of(in.begin(), in.end(), is_free)) return false;  // outputs are -1 then, as in TensorRT
  std::vector<Shape> out;
  std::string problem;
  if (!self->network->infer(in, out, problem)) return refuse(self, problem);
  std::copy(out.begin(), out.end(), self->shapes.begin() + inputs);
  return self->is_inferred = true;
}

Dims shape_of(const Self* self, std::int32_t index) {
  if (index < 0 || fails(self, "a shape of the context")) return {};
  infer(const_cast<Self*>(self));  // a cache
  Dims dims;
  const Shape& shape = self->shapes[static_cast<std::size_t>(index)];
  dims.rank = static_cast<std::int32_t>(shape.size());
  std::transform(shape.begin(), shape.end(), dims.extents, [](std::int64_t extent) { return static_cast<Extent>(extent); });
  return dims;
}

/// A run as it was when it was enqueued.
struct Run {
  std::shared_ptr<Network> network;
  std::vector<Shape> shapes;
  std::vector<void*> addresses;
};

void perform(void* data) {
  const std::unique_ptr<Run> run(static_cast<Run*>(data));
  const std::size_t inputs = run->network->input_count();
  std::vector<const void*> in;
  for (std::size_t i = 0; i < inputs; ++i) {
    const std::size_t size = size_bytes(run->shapes[i], run->network->tensors()[i].element_bytes());
    in.push_back(door().bytes(run->addresses[i], size, "a run's input"));
    if (in.back() == nullptr) return;
  }
  std::vector<edgecore::abi::Tensor> out;
  std::string problem;
  if (!run->network->run(in, run->shapes, out, problem)) return door().broken(problem.c_str());
  for (std::size_t i = 0; i < out.size(); ++i) {
    void* const target = door().bytes(run->addresses[inputs + i], out[i].size_bytes, "a run's output");
    if (target != nullptr) std::memcpy(target, out[i].data, out[i].size_bytes);
  }
}

bool enqueue(Self* self, const std::vector<void*>& addresses, void* stream, const char* call) {
  if (!is_alive(self, call) || !door().has_context(call)) return false;
  if (fails(self, call)) return false;
  if (!infer(self)) return refuse(self, std::string(call) + ": an input's shape was not set");
  if (std::count(addresses.begin(), addresses.end(), nullptr) != 0) return refuse(self, std::string(call) + ": a tensor has no address");
  return door().launch(stream, perform, new Run{self->network, self->shapes, addresses});
}

void destroy(Handle* handle) {
  door().has_context("IExecutionContext's destructor");
  if (door().died(kKind, handle)) delete static_cast<Self*>(handle->implementation);
}

const Table& table() {
  static const Table made = make_table(
      2, kContextOrder, release().context,
      {
#if STAND_IN_MAJOR == 8
          named("setBindingDimensions", +[](Self* self, std::int32_t binding, Dims dims) {
            return is_alive(self, "setBindingDimensions") && set_shape(self, binding, dims);
          }),
          named("getBindingDimensions", +[](const Self* self, std::int32_t binding) { return shape_of(self, binding); }),
          named("enqueueV2", +[](Self* self, void* const* bindings, void* stream, void* consumed) {
            if (consumed != nullptr) door().broken("enqueueV2: an event that is none");
            return enqueue(self, {bindings, bindings + self->shapes.size()}, stream, "enqueueV2");
          }),
#endif
          named("setInputShape", +[](Self* self, const char* name, const Dims& dims) {
            return set_shape(self, find(self, name, "setInputShape"), dims);
          }),
          named("getTensorShape", +[](const Self* self, const char* name) { return shape_of(self, find(self, name, "getTensorShape")); }),
          named("setTensorAddress", +[](Self* self, const char* name, void* data) {
            const std::int32_t index = find(self, name, "setTensorAddress");
            if (index < 0) return false;
            if (fails(self, "setTensorAddress")) return false;
            self->addresses[static_cast<std::size_t>(index)] = data;
            return true;
          }),
          named("enqueueV3", +[](Self* self, void* stream) { return enqueue(self, self->addresses, stream, "enqueueV3"); }),
      });
  return made;
}

}  // namespace

Handle* make_context(const EngineImplementation& engine) {
  static const Slot kDestructor[] = {nullptr, reinterpret_cast<Slot>(destroy)};
  auto* made = new Self;
  made->table = table().slots;
  made->handle = {kDestructor, made};
  made->logger = engine.logger;
  made->network = engine.network;
  made->shapes = engine.shapes;
  made->is_inferred = std::none_of(made->shapes.begin(), made->shapes.end(), is_free);
  made->addresses.resize(engine.shapes.size());
  door().born(kKind, &made->handle);
  return &made->handle;
}

}  // namespace stand_in
