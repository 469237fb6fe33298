// A stand-in for the vendor's libOpenVX.so.1, for tests alone: it judges its caller and computes y = a * x + b.
//
// Models are the ones that tests/amlogic_nbg.py writes. Calls in the wrong order, parameters that do not fit the model
// and objects that are used after their release are refused or reported, as far as the real library could go wrong on
// them. Environment: EDGECORE_STAND_IN_FAIL=vxMapTensorPatch:2 lets its second call fail; EDGECORE_STAND_IN_PID=0x7D
// makes it another device. A context that goes before its objects is reported on stderr.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../../abi/openvx.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace edgecore::amlogic::vx {

constexpr Status kFailure = -1;
constexpr Status kInvalidParameters = -10;
constexpr Status kInvalidReference = -12;
constexpr Status kInvalidGraph = -18;
constexpr Status kGraphScheduled = -21;

struct ContextObject {
  std::atomic<int> objects{0};
};
struct Owned {
  ContextObject* context = nullptr;
};
struct TensorObject : Owned {
  std::vector<std::size_t> sizes;
  Type type{};
  QuantFormat quant{};
  QuantParam param{};
  std::vector<char> bytes;
  int maps = 0;
  const GraphObject* graph = nullptr;  // of the node it is bound to
};
struct KernelObject : Owned {
  const char* model = nullptr;
  std::uint32_t inputs = 0;
  std::uint32_t outputs = 0;
  float factor = 0;
  float offset = 0;
};
struct GraphObject : Owned {
  NodeObject* node = nullptr;
  bool verified = false;
  bool scheduled = false;
};
struct NodeObject : Owned {
  GraphObject* graph = nullptr;
  KernelObject* kernel = nullptr;
  std::vector<TensorObject*> parameters;
};
struct ParameterObject : Owned {
  Enum direction = 0;
};

namespace {

constexpr char kMagic[] = "stand-in affine";  // with its terminator: the first bytes of the program's section
constexpr std::size_t kCountsAt = 84;
constexpr std::size_t kInputsAt = 0x178;
constexpr std::size_t kOutputsAt = 0x180;
constexpr std::size_t kProgramAt = 0x178 + 5 * 8;
constexpr std::size_t kPortBytes = 116;

template <typename T>
T* made(ContextObject* context, T object = {}) {
  ++context->objects;
  object.context = context;
  return new T(std::move(object));
}

template <typename T>
Status gone(T** object) {
  if (object == nullptr || *object == nullptr) return kInvalidReference;
  --(*object)->context->objects;
  delete *object;
  *object = nullptr;
  return kSuccess;
}

/// Whether this very call was asked to fail.
bool is_to_fail(const char* call) {
  static std::atomic<int> calls{0};
  const char* wish = std::getenv("EDGECORE_STAND_IN_FAIL");
  if (wish == nullptr) return false;
  const std::string text = wish;
  const std::size_t colon = text.find(':');
  if (text.substr(0, colon) != call) return false;
  return ++calls == (colon == std::string::npos ? 1 : std::atoi(text.c_str() + colon + 1));
}

std::uint32_t u32(const char* bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::size_t size_of(Type type) {
  switch (type) {
    case kInt8:
    case kUInt8: return 1;
    case kInt16:
    case kFloat16: return 2;
    case kInt32:
    case kFloat32: return 4;
    case kTensor: break;
  }
  return 0;
}

/// The model's own entry for the node's parameter `index`.
const char* port_of(const KernelObject& kernel, std::size_t index) {
  const bool is_input = index < kernel.inputs;
  const std::uint32_t table = u32(kernel.model + (is_input ? kInputsAt : kOutputsAt));
  return kernel.model + table + (is_input ? index : index - kernel.inputs) * kPortBytes;
}

bool fits(const TensorObject& tensor, const char* port) {
  constexpr Type kTypes[] = {kFloat32, kFloat16, kUInt8, kInt8, kTensor, kInt16, kTensor, kTensor, kInt32};
  if (u32(port) != tensor.sizes.size() || kTypes[u32(port + 28)] != tensor.type ||
      u32(port + 36) != static_cast<std::uint32_t>(tensor.quant))
    return false;
  for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (u32(port + 4 + i * 4) != tensor.sizes[i]) return false;
  }
  if (tensor.quant == kQuantFixedPoint)
    return static_cast<std::int8_t>(u32(port + 40)) == tensor.param.fixed_point.position;
  return tensor.quant == kQuantNone || std::memcmp(port + 44, &tensor.param.affine, sizeof tensor.param.affine) == 0;
}

template <typename T>
void compute(const TensorObject& x, TensorObject& y, float factor, float offset_in_steps) {
  for (std::size_t at = 0; at < x.bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, x.bytes.data() + at, sizeof value);
    value = static_cast<T>(factor * static_cast<float>(value) + offset_in_steps);
    std::memcpy(y.bytes.data() + at, &value, sizeof value);
  }
}

/// Both ports have the same type and scale; the zero point is 0 in every model that tests make.
Status compute(const KernelObject& kernel, const TensorObject& x, TensorObject& y) {
  float step = 1.0F;
  if (x.quant == kQuantAffine) step = x.param.affine.scale;
  for (int i = 0; x.quant == kQuantFixedPoint && i < x.param.fixed_point.position; ++i) step /= 2;
  if (x.type != y.type || x.bytes.size() != y.bytes.size()) return kInvalidParameters;
  switch (x.type) {
    case kFloat32: compute<float>(x, y, kernel.factor, kernel.offset); return kSuccess;
    case kUInt8: compute<std::uint8_t>(x, y, kernel.factor, kernel.offset / step); return kSuccess;
    case kInt8: compute<std::int8_t>(x, y, kernel.factor, kernel.offset / step); return kSuccess;
    case kInt16: compute<std::int16_t>(x, y, kernel.factor, kernel.offset / step); return kSuccess;
    case kInt32: compute<std::int32_t>(x, y, kernel.factor, kernel.offset / step); return kSuccess;
    case kFloat16:
    case kTensor: break;
  }
  return kInvalidParameters;
}

}  // namespace

EXPORT Context vxCreateContext() { return is_to_fail("vxCreateContext") ? nullptr : new ContextObject; }
EXPORT Status vxReleaseContext(Context* context) {
  if ((*context)->objects != 0) {
    std::fprintf(stderr, "stand-in: %d objects outlive their context\n", (*context)->objects.load());
  }
  delete *context;
  *context = nullptr;
  return kSuccess;
}

EXPORT Status vxQueryContext(Context, Enum attribute, void* value, std::size_t size_bytes) {
  constexpr std::uint16_t kVersion = 0x0103;
  if (attribute == kContextVersion && size_bytes == sizeof kVersion) {
    std::memcpy(value, &kVersion, sizeof kVersion);
    return kSuccess;
  }
  if (attribute != kContextImplementation || size_bytes != kMaxImplementationName) return kInvalidParameters;
  std::snprintf(static_cast<char*>(value), size_bytes, "stand-in");
  return kSuccess;
}

EXPORT Status vxQueryHardwareCaps(Context, HardwareCaps* caps, std::size_t size_bytes) {
  if (size_bytes != sizeof *caps) return kInvalidParameters;
  const char* pid = std::getenv("EDGECORE_STAND_IN_PID");
  caps->customer_id = pid == nullptr ? 0x88 : static_cast<std::uint32_t>(std::strtoul(pid, nullptr, 0));
  return kSuccess;
}

EXPORT Status vxGetStatus(Reference reference) { return reference == nullptr ? kInvalidReference : kSuccess; }

EXPORT Graph vxCreateGraph(Context context) {
  return context == nullptr || is_to_fail("vxCreateGraph") ? nullptr : made<GraphObject>(context);
}
EXPORT Status vxReleaseGraph(Graph* graph) {
  if (graph != nullptr && *graph != nullptr && (*graph)->scheduled)
    std::fputs("stand-in: a running graph was released\n", stderr);
  return gone(graph);
}

EXPORT Kernel vxImportKernelFromURL(Context context, const char* type, const char* url) {
  if (context == nullptr || std::strcmp(type, kFromPointer) != 0 || is_to_fail("vxImportKernelFromURL")) return nullptr;
  const char* program = url + u32(url + kProgramAt);
  if (u32(url + kProgramAt + 4) != sizeof kMagic + 2 * sizeof(float) ||
      std::memcmp(program, kMagic, sizeof kMagic) != 0)
    return nullptr;
  KernelObject kernel;
  kernel.model = url;
  kernel.inputs = u32(url + kCountsAt);
  kernel.outputs = u32(url + kCountsAt + 4);
  std::memcpy(&kernel.factor, program + sizeof kMagic, sizeof kernel.factor);
  std::memcpy(&kernel.offset, program + sizeof kMagic + sizeof(float), sizeof kernel.offset);
  return made(context, kernel);
}
EXPORT Status vxRemoveKernel(Kernel kernel) { return gone(&kernel); }

EXPORT Node vxCreateGenericNode(Graph graph, Kernel kernel) {
  if (graph == nullptr || kernel == nullptr || is_to_fail("vxCreateGenericNode")) return nullptr;
  graph->node = made<NodeObject>(graph->context);
  graph->node->graph = graph;
  graph->node->kernel = kernel;
  graph->node->parameters.resize(kernel->inputs + kernel->outputs);
  return graph->node;
}
EXPORT Status vxReleaseNode(Node* node) {
  if (node != nullptr && *node != nullptr) (*node)->graph->node = nullptr;
  return gone(node);
}

EXPORT Status vxQueryNode(Node node, Enum attribute, void* value, std::size_t size_bytes) {
  const auto count = static_cast<std::uint32_t>(node->parameters.size());
  if (attribute != kNodeParameters || size_bytes != sizeof count || is_to_fail("vxQueryNode"))
    return kInvalidParameters;
  std::memcpy(value, &count, sizeof count);
  return kSuccess;
}

EXPORT Parameter vxGetParameterByIndex(Node node, std::uint32_t index) {
  if (index >= node->parameters.size() || is_to_fail("vxGetParameterByIndex")) return nullptr;
  auto* parameter = made<ParameterObject>(node->context);
  parameter->direction = index < node->kernel->inputs ? kInput : kOutput;
  return parameter;
}
EXPORT Status vxReleaseParameter(Parameter* parameter) { return gone(parameter); }

EXPORT Status vxQueryParameter(Parameter parameter, Enum attribute, void* value, std::size_t size_bytes) {
  const Enum answer = attribute == kParameterType ? static_cast<Enum>(kTensor) : parameter->direction;
  const bool is_known = attribute == kParameterType || attribute == kParameterDirection;
  if (!is_known || size_bytes != sizeof answer || is_to_fail("vxQueryParameter")) return kInvalidParameters;
  std::memcpy(value, &answer, sizeof answer);
  return kSuccess;
}

EXPORT Status vxSetParameterByIndex(Node node, std::uint32_t index, Reference value) {
  auto* tensor = static_cast<TensorObject*>(value);
  if (tensor == nullptr || index >= node->parameters.size() || is_to_fail("vxSetParameterByIndex"))
    return kInvalidParameters;
  node->parameters[index] = tensor;
  tensor->graph = node->graph;
  return kSuccess;
}

EXPORT Status vxVerifyGraph(Graph graph) {
  if (graph->node == nullptr || is_to_fail("vxVerifyGraph")) return kInvalidGraph;
  const NodeObject& node = *graph->node;
  for (std::size_t i = 0; i < node.parameters.size(); ++i) {
    if (node.parameters[i] == nullptr || !fits(*node.parameters[i], port_of(*node.kernel, i))) return kInvalidGraph;
  }
  graph->verified = true;
  return kSuccess;
}

EXPORT Status vxScheduleGraph(Graph graph) {
  if (!graph->verified || is_to_fail("vxScheduleGraph")) return kInvalidGraph;
  if (graph->scheduled) return kGraphScheduled;
  graph->scheduled = true;
  return kSuccess;
}

EXPORT Status vxWaitGraph(Graph graph) {
  if (!graph->scheduled) return kInvalidGraph;
  graph->scheduled = false;
  if (is_to_fail("vxWaitGraph")) return kFailure;
  const NodeObject& node = *graph->node;
  return compute(*node.kernel, *node.parameters[0], *node.parameters[node.kernel->inputs]);
}

EXPORT Tensor vxCreateTensor2(Context context, const TensorParams* params, std::size_t size_bytes) {
  if (context == nullptr || size_bytes != sizeof *params || is_to_fail("vxCreateTensor2")) return nullptr;
  TensorObject tensor;
  tensor.sizes.assign(params->sizes, params->sizes + params->rank);
  tensor.type = static_cast<Type>(params->type);
  tensor.quant = static_cast<QuantFormat>(params->quant_format);
  tensor.param = params->quant;
  std::size_t size = size_of(tensor.type);
  for (const std::size_t each : tensor.sizes) size *= each;
  tensor.bytes.resize(size);
  return size == 0 ? nullptr : made(context, std::move(tensor));
}
EXPORT Status vxReleaseTensor(Tensor* tensor) {
  if (tensor != nullptr && *tensor != nullptr && (*tensor)->maps != 0)
    std::fputs("stand-in: a mapped tensor was released\n", stderr);
  return gone(tensor);
}

EXPORT Status vxMapTensorPatch(Tensor tensor, std::size_t rank, const std::size_t* start, const std::size_t* end,
                               MapId* id, std::size_t* stride_bytes, void** data, Enum usage, Enum memory) {
  const bool is_known = (usage == kReadOnly || usage == kWriteOnly) && memory == kMemoryHost;
  if (!is_known || rank != tensor->sizes.size() || is_to_fail("vxMapTensorPatch")) return kInvalidParameters;
  if (tensor->graph != nullptr && tensor->graph->scheduled) return kGraphScheduled;
  std::size_t stride = size_of(tensor->type);
  for (std::size_t i = 0; i < rank; ++i) {
    if (start[i] != 0 || end[i] != tensor->sizes[i]) return kInvalidParameters;
    stride_bytes[i] = stride;
    stride *= end[i];
  }
  ++tensor->maps;
  *id = 1;
  *data = tensor->bytes.data();
  return kSuccess;
}

EXPORT Status vxUnmapTensorPatch(Tensor tensor, MapId id) {
  if (id != 1 || tensor->maps == 0) return kInvalidParameters;
  --tensor->maps;
  return is_to_fail("vxUnmapTensorPatch") ? kFailure : kSuccess;
}

}  // namespace edgecore::amlogic::vx
