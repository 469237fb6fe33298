// Stand-in for libnvinfer.so, for tests alone: its two exported functions, and the runtime.
//
// A "plan" of the stand-in is a container or archive as TensorRT's is (model_file.h of the backend says how), with an
// ONNX model behind the records of release and GPU: tests/make_plan.py.

#include <cstring>

#include "objects.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace stand_in {
namespace {

constexpr char kMark[] = "stand-in: ONNX follows\n";
constexpr const char* kKind = "IRuntime";

Handle* deserialize(RuntimeImplementation* self, const void* blob, std::size_t size) {
  const auto failed = [&](const std::string& text) {
    log_error(self->logger, "deserializeCudaEngine: " + text);
    return nullptr;
  };
  if (!door().expect(kKind, &self->handle, "deserializeCudaEngine") || !door().has_context("deserializeCudaEngine")) return nullptr;
  if (door().fails("deserializeCudaEngine")) return failed("a failure that the stand-in injected");
  const auto* const begin = static_cast<const char*>(blob);
  const auto* const mark = static_cast<const char*>(memmem(begin, size, kMark, sizeof kMark - 1));
  if (mark == nullptr) return failed("Serialization assertion magicTag failed (the stand-in finds no model of its own)");
  const char* const head = mark + sizeof kMark - 1;
  std::uint64_t onnx_size = 0;
  if (head + sizeof onnx_size > begin + size) return failed("it ends early");
  std::memcpy(&onnx_size, head, sizeof onnx_size);
  const char* const onnx = head + sizeof onnx_size;
  if (onnx_size > static_cast<std::uint64_t>(begin + size - onnx)) return failed("it ends early");

  auto network = std::make_shared<Network>();
  std::string problem;
  if (!network->load(onnx, onnx_size, problem)) return failed(problem);
  std::vector<Shape> shapes;
  bool is_fixed = true;
  for (const Tensor& tensor : network->tensors()) {
    shapes.push_back(tensor.shape);
    for (const std::int64_t extent : tensor.shape) is_fixed = is_fixed && (!tensor.is_input || extent >= 0);
  }
  if (is_fixed) {  // a plan knows then what comes out, whatever the ONNX model left open
    std::vector<Shape> outputs;
    if (!network->infer({shapes.begin(), shapes.begin() + static_cast<std::ptrdiff_t>(network->input_count())}, outputs, problem)) {
      return failed(problem);
    }
    shapes.resize(network->input_count());
    shapes.insert(shapes.end(), outputs.begin(), outputs.end());
  }
  return make_engine(self->logger, std::move(network), std::move(shapes));
}

#if STAND_IN_MAJOR == 8
Handle* deserialize_8(RuntimeImplementation* self, const void* blob, std::size_t size, void* factory) {
  if (factory != nullptr) door().broken("deserializeCudaEngine: a plug-in factory has to be null");
  return deserialize(self, blob, size);
}
#endif

void destroy(Handle* handle) {
  if (door().died(kKind, handle)) delete static_cast<RuntimeImplementation*>(handle->implementation);
}

const Table& table() {
  static const Table made = make_table(
      0, kRuntimeOrder, release().runtime,
      {
#if STAND_IN_MAJOR == 8
          named("deserializeCudaEngine", deserialize_8),
#else
          named("deserializeCudaEngine", deserialize),
#endif
          named("setDLACore", +[](RuntimeImplementation* self, std::int32_t core) { self->dla_core = core; }),
          named("getNbDLACores", +[](const RuntimeImplementation*) -> std::int32_t { return 2; }),
          named("setEngineHostCodeAllowed", +[](RuntimeImplementation* self, bool allowed) { self->host_code = allowed; }),
      });
  return made;
}

}  // namespace
}  // namespace stand_in

EXPORT std::int32_t getInferLibVersion() noexcept { return stand_in::kVersion; }

EXPORT void* createInferRuntime_INTERNAL(void* logger, std::int32_t version) noexcept {
  using namespace stand_in;  // NOLINT: its body is the stand-in's
  constexpr std::int32_t kPerMajor = STAND_IN_MAJOR == 8 ? 1000 : 10000;
  static const Slot kDestructor[] = {nullptr, reinterpret_cast<Slot>(destroy)};
  // As the real one, which says what is wrong and returns a pointer all the same (TensorRT 10.15 without a driver).
  if (version / kPerMajor != kVersion / kPerMajor || door().fails("createInferRuntime")) {
    log_error(logger, "createInferRuntime: a failure that the stand-in injected, or a caller of another major version");
    return reinterpret_cast<void*>(0x238);
  }
  if (!door().has_context("createInferRuntime")) return nullptr;
  auto* made = new RuntimeImplementation;
  made->table = table().slots;
  made->handle = {kDestructor, made};
  made->logger = logger;
  door().born(kKind, &made->handle);
  return &made->handle;
}
