// The stand-in's engine: what is in a plan, by binding and by name.

#include "objects.h"

namespace stand_in {
namespace {

constexpr const char* kKind = "ICudaEngine";
using Self = const EngineImplementation;

Dims dims_of(const Shape& shape) {
  Dims dims;
  dims.rank = static_cast<std::int32_t>(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) dims.extents[i] = static_cast<Extent>(shape[i]);
  return dims;
}

bool is_alive(Self* self, const char* call) { return door().expect(kKind, &self->handle, call); }

/// -1 for a name that the plan has not: every function then answers as TensorRT does, with nothing.
std::int32_t find(Self* self, const char* name, const char* call) {
  if (!is_alive(self, call)) return -1;
  for (std::size_t i = 0; i < self->shapes.size(); ++i) {
    if (self->network->tensors()[i].name == name) return static_cast<std::int32_t>(i);
  }
  door().broken((std::string(call) + ": no tensor named " + name).c_str());
  return -1;
}

const Tensor& tensor(Self* self, std::int32_t index) { return self->network->tensors()[static_cast<std::size_t>(index)]; }

std::int32_t type_of(const Tensor& tensor) {
  constexpr std::int32_t kTypes[] = {0, 1, 2, 5, 3, 8};  // kFLOAT kHALF kINT8 kUINT8 kINT32 kINT64, in the seam's order
  return kTypes[static_cast<int>(tensor.dtype)];
}

bool is_inside(Self* self, std::int32_t binding, const char* call) {
  if (!is_alive(self, call)) return false;
  if (binding >= 0 && binding < static_cast<std::int32_t>(self->shapes.size())) return true;
  door().broken((std::string(call) + ": no binding " + std::to_string(binding)).c_str());
  return false;
}

std::int32_t count(Self* self) { return static_cast<std::int32_t>(self->shapes.size()); }

/// Fails on demand, with words in the log.
bool fails(Self* self, const char* call) {
  if (!door().fails(call)) return false;
  log_error(self->logger, std::string(call) + ": a failure that the stand-in injected");
  return true;
}

const char* name_at(Self* self, std::int32_t index) {
  if (!is_inside(self, index, "a tensor's name") || fails(self, "a tensor's name")) return nullptr;
  return tensor(self, index).name.c_str();
}

Dims shape_at(Self* self, std::int32_t index) {
  if (!is_inside(self, index, "a tensor's shape") || fails(self, "a tensor's shape")) return {};
  return dims_of(self->shapes[static_cast<std::size_t>(index)]);
}

std::int32_t type_at(Self* self, std::int32_t index) { return is_inside(self, index, "a tensor's type") ? type_of(tensor(self, index)) : 0; }

Handle* create_context(EngineImplementation* self) {
  if (!is_alive(self, "createExecutionContext") || !door().has_context("createExecutionContext")) return nullptr;
  return fails(self, "createExecutionContext") ? nullptr : make_context(*self);
}

void destroy(Handle* handle) {
  door().has_context("ICudaEngine's destructor");
  if (door().died(kKind, handle)) delete static_cast<EngineImplementation*>(handle->implementation);
}

const Table& table() {
  static const Table made = make_table(
      1, kEngineOrder, release().engine,
      {
#if STAND_IN_MAJOR == 8
          named("createExecutionContext", create_context),
          named("getNbBindings", count),
          named("getBindingName", name_at),
          named("bindingIsInput", +[](Self* self, std::int32_t i) { return is_inside(self, i, "bindingIsInput") && tensor(self, i).is_input; }),
          named("getBindingDimensions", shape_at),
          named("getBindingDataType", type_at),
          named("getLocation", +[](Self*, std::int32_t) -> std::int32_t { return 0; }),
          named("getBindingFormat", +[](Self*, std::int32_t) -> std::int32_t { return 0; }),
          named("getNbOptimizationProfiles", +[](Self*) -> std::int32_t { return 1; }),
          named("hasImplicitBatchDimension", +[](Self*) { return false; }),
#else
          named("createExecutionContext", +[](EngineImplementation* self, std::int32_t strategy) {
            if (strategy != 0) door().broken("createExecutionContext: another strategy than kSTATIC");
            return create_context(self);
          }),
#endif
          named("getNbIOTensors", count),
          named("getIOTensorName", name_at),
          named("getTensorShape", +[](Self* self, const char* name) { return shape_at(self, find(self, name, "getTensorShape")); }),
          named("getTensorDataType", +[](Self* self, const char* name) { return type_at(self, find(self, name, "getTensorDataType")); }),
          named("getTensorLocation", +[](Self*, const char*) -> std::int32_t { return 0; }),
          named("getTensorFormat", +[](Self*, const char*) -> std::int32_t { return 0; }),
          named("getTensorIOMode", +[](Self* self, const char* name) -> std::int32_t {
            const std::int32_t index = find(self, name, "getTensorIOMode");
            if (index < 0 || fails(self, "getTensorIOMode")) return 0;
            return tensor(self, index).is_input ? 1 : 2;
          }),
      });
  return made;
}

}  // namespace

Handle* make_engine(void* logger, std::shared_ptr<Network> network, std::vector<Shape> shapes) {
  static const Slot kDestructor[] = {nullptr, reinterpret_cast<Slot>(destroy)};
  auto* made = new EngineImplementation;
  made->table = table().slots;
  made->handle = {kDestructor, made};
  made->logger = logger;
  made->network = std::move(network);
  made->shapes = std::move(shapes);
  door().born(kKind, &made->handle);
  return &made->handle;
}

}  // namespace stand_in
