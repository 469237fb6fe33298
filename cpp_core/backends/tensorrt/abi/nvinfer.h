// The part of TensorRT's C++ runtime interface that this module calls, declared by us, so that no header of TensorRT is
// needed to compile and every release of a major version serves at run time.
//
// What the library hands out (IRuntime, ICudaEngine, IExecutionContext) is an object with a virtual destructor and one
// pointer, mImpl, to an object of an interface class (apiv::VRuntime, ...), which again begins with a virtual
// destructor. The public member functions are not virtual: they are inline calls through mImpl, so that the virtual
// table of *mImpl is the binary interface. Here it is written as what it is by the Itanium C++ ABI, a table of
// functions that take the object first; two slots of a table are its destructor (complete, deleting).
//
// Positions: include/NvInferImpl.h and NvInferRuntime.h of the public branches release/8.0 (8.0.1), 8.2 (8.2.3),
// 8.4 (8.4.3), 8.5 (8.5.3), 8.6 (8.6.1), 10.0 (10.0.1), 10.3 (10.3.0) and 10.15 of NVIDIA/TensorRT. Within a major
// version tables only grow at their end; between 8 and 10 they were made anew. tests/nvinfer_header_check.cc compares
// positions and signatures with a real release.
#pragma once

#include <cstddef>
#include <cstdint>

#if EDGECORE_TRT_MAJOR != 8 && EDGECORE_TRT_MAJOR != 10
#error "EDGECORE_TRT_MAJOR is 8 or 10"
#endif

namespace nvinfer {

inline constexpr int kMajor = EDGECORE_TRT_MAJOR;
inline constexpr std::int32_t kMaxRank = 8;
#if EDGECORE_TRT_MAJOR == 8
using Extent = std::int32_t;
/// getInferLibVersion(): 8.6.1 is 8601.
constexpr std::int32_t version(std::int32_t minor, std::int32_t patch) { return 8000 + minor * 100 + patch; }
inline constexpr std::int32_t kOldest = version(0, 0);
#else
using Extent = std::int64_t;
/// 10.15.1 is 101501.
constexpr std::int32_t version(std::int32_t minor, std::int32_t patch) { return 100000 + minor * 100 + patch; }
inline constexpr std::int32_t kOldest = version(0, 0);
#endif
inline constexpr std::int32_t kNamedTensors = 8500;  // the first release that knows tensors by name, not by binding
inline constexpr std::int32_t kHostCode = 8600;      // the first one with setEngineHostCodeAllowed

/// Dims: rank -1 is an error, an extent of -1 is free.
struct Dims {
  std::int32_t rank;
  Extent extents[kMaxRank];
};
static_assert(sizeof(void*) == 8 && sizeof(std::size_t) == 8, "the layouts here are those of LP64");
static_assert(offsetof(Dims, extents) == sizeof(Extent) && sizeof(Dims) == (kMaxRank + 1) * sizeof(Extent), "Dims");

enum Severity : std::int32_t { kInternalError = 0, kError = 1, kWarning = 2, kInfo = 3, kVerbose = 4 };
enum DataType : std::int32_t { kFloat = 0, kHalf = 1, kInt8 = 2, kInt32 = 3, kBool = 4, kUInt8 = 5, kInt64 = 8 };
enum TensorLocation : std::int32_t { kDevice = 0, kHost = 1 };
enum TensorIoMode : std::int32_t { kNone = 0, kInput = 1, kOutput = 2 };
enum TensorFormat : std::int32_t { kLinear = 0 };
enum AllocationStrategy : std::int32_t { kStatic = 0 };  // 10.x

/// ILogger, which the application implements: log() in slot 0, then the destructor.
class Logger {
 public:
  virtual void log(Severity severity, const char* text) noexcept = 0;
  virtual ~Logger() = default;
};

struct Stream;  // cudaStream_t, CUstream

using Unused = void (*)();

/// What stands at the head of every object that is handed out: destroy() is what `delete` does.
template <typename Functions>
struct Object {
  struct Destructor {
    Unused complete;
    void (*deleting)(Object* self) noexcept;
  };
  struct Implementation {
    const Functions* functions;
  };
  const Destructor* destructor;
  Implementation* implementation;

  void destroy() noexcept { destructor->deleting(this); }
};

struct ContextFunctions;
struct EngineFunctions;
struct RuntimeFunctions;
using Context = Object<ContextFunctions>;
using Engine = Object<EngineFunctions>;
using Runtime = Object<RuntimeFunctions>;
static_assert(offsetof(Runtime, implementation) == 8 && sizeof(Runtime) == 16, "virtual table, mImpl");

using RuntimeSelf = Runtime::Implementation;
using EngineSelf = Engine::Implementation;
using ContextSelf = Context::Implementation;

// Names are the API's own; `unused_N` stands for the functions from position N up to the next name. Positions are those
// of the tables, destructor included.
#if EDGECORE_TRT_MAJOR == 8

struct RuntimeFunctions {
  Unused unused_0[2];
  Engine* (*deserializeCudaEngine)(RuntimeSelf* self, const void* blob, std::size_t size, void* factory) noexcept;
  void (*setDLACore)(RuntimeSelf* self, std::int32_t core) noexcept;
  Unused unused_4;
  std::int32_t (*getNbDLACores)(const RuntimeSelf* self) noexcept;
  Unused unused_6[14];  // from kHostCode on:
  void (*setEngineHostCodeAllowed)(RuntimeSelf* self, bool allowed) noexcept;
};

struct EngineFunctions {
  Unused unused_0[2];
  std::int32_t (*getNbBindings)(const EngineSelf* self) noexcept;
  Unused unused_3;
  const char* (*getBindingName)(const EngineSelf* self, std::int32_t binding) noexcept;
  bool (*bindingIsInput)(const EngineSelf* self, std::int32_t binding) noexcept;
  Dims (*getBindingDimensions)(const EngineSelf* self, std::int32_t binding) noexcept;
  DataType (*getBindingDataType)(const EngineSelf* self, std::int32_t binding) noexcept;
  Unused unused_8[3];
  Context* (*createExecutionContext)(EngineSelf* self) noexcept;
  TensorLocation (*getLocation)(const EngineSelf* self, std::int32_t binding) noexcept;
  Unused unused_13[5];
  TensorFormat (*getBindingFormat)(const EngineSelf* self, std::int32_t binding) noexcept;
  Unused unused_19[3];
  std::int32_t (*getNbOptimizationProfiles)(const EngineSelf* self) noexcept;
  Unused unused_23[7];
  bool (*hasImplicitBatchDimension)(const EngineSelf* self) noexcept;
  Unused unused_31[3];  // from kNamedTensors on:
  Dims (*getTensorShape)(const EngineSelf* self, const char* name) noexcept;
  DataType (*getTensorDataType)(const EngineSelf* self, const char* name) noexcept;
  TensorLocation (*getTensorLocation)(const EngineSelf* self, const char* name) noexcept;
  Unused unused_37;
  TensorIoMode (*getTensorIOMode)(const EngineSelf* self, const char* name) noexcept;
  Unused unused_39[2];
  TensorFormat (*getTensorFormat)(const EngineSelf* self, const char* name) noexcept;
  Unused unused_42[3];
  std::int32_t (*getNbIOTensors)(const EngineSelf* self) noexcept;
  const char* (*getIOTensorName)(const EngineSelf* self, std::int32_t index) noexcept;
};

struct ContextFunctions {
  Unused unused_0[15];
  bool (*setBindingDimensions)(ContextSelf* self, std::int32_t binding, Dims dimensions) noexcept;
  Dims (*getBindingDimensions)(const ContextSelf* self, std::int32_t binding) noexcept;
  Unused unused_17[7];
  bool (*enqueueV2)(ContextSelf* self, void* const* bindings, Stream* stream, void* consumed) noexcept;
  Unused unused_25[4];  // from kNamedTensors on:
  bool (*setInputShape)(ContextSelf* self, const char* name, const Dims& dimensions) noexcept;
  Dims (*getTensorShape)(const ContextSelf* self, const char* name) noexcept;
  Unused unused_31;
  bool (*setTensorAddress)(ContextSelf* self, const char* name, void* data) noexcept;
  Unused unused_33[11];
  bool (*enqueueV3)(ContextSelf* self, Stream* stream) noexcept;
};

#else

struct RuntimeFunctions {
  Unused unused_0[3];
  Engine* (*deserializeCudaEngine)(RuntimeSelf* self, const void* blob, std::size_t size) noexcept;
  Unused unused_4;
  void (*setDLACore)(RuntimeSelf* self, std::int32_t core) noexcept;
  Unused unused_6;
  std::int32_t (*getNbDLACores)(const RuntimeSelf* self) noexcept;
  Unused unused_8[13];
  void (*setEngineHostCodeAllowed)(RuntimeSelf* self, bool allowed) noexcept;
};

struct EngineFunctions {
  Unused unused_0[5];
  Context* (*createExecutionContext)(EngineSelf* self, AllocationStrategy strategy) noexcept;
  Unused unused_6[13];
  Dims (*getTensorShape)(const EngineSelf* self, const char* name) noexcept;
  DataType (*getTensorDataType)(const EngineSelf* self, const char* name) noexcept;
  TensorLocation (*getTensorLocation)(const EngineSelf* self, const char* name) noexcept;
  Unused unused_22;
  TensorIoMode (*getTensorIOMode)(const EngineSelf* self, const char* name) noexcept;
  Unused unused_24[2];
  TensorFormat (*getTensorFormat)(const EngineSelf* self, const char* name) noexcept;
  Unused unused_27[3];
  std::int32_t (*getNbIOTensors)(const EngineSelf* self) noexcept;
  const char* (*getIOTensorName)(const EngineSelf* self, std::int32_t index) noexcept;
};

struct ContextFunctions {
  Unused unused_0[21];
  bool (*setInputShape)(ContextSelf* self, const char* name, const Dims& dimensions) noexcept;
  Dims (*getTensorShape)(const ContextSelf* self, const char* name) noexcept;
  Unused unused_23;
  bool (*setTensorAddress)(ContextSelf* self, const char* name, void* data) noexcept;
  Unused unused_25[12];
  bool (*enqueueV3)(ContextSelf* self, Stream* stream) noexcept;
};

#endif

// The last name of each run of functions: an error in an earlier gap moves it.
constexpr std::size_t slot(std::size_t position) { return position * sizeof(Unused); }
#if EDGECORE_TRT_MAJOR == 8
static_assert(offsetof(RuntimeFunctions, setDLACore) == slot(3));
static_assert(offsetof(RuntimeFunctions, getNbDLACores) == slot(5));
static_assert(offsetof(RuntimeFunctions, setEngineHostCodeAllowed) == slot(20));
static_assert(offsetof(EngineFunctions, getNbBindings) == slot(2));
static_assert(offsetof(EngineFunctions, getBindingDataType) == slot(7));
static_assert(offsetof(EngineFunctions, getLocation) == slot(12));
static_assert(offsetof(EngineFunctions, getBindingFormat) == slot(18));
static_assert(offsetof(EngineFunctions, getNbOptimizationProfiles) == slot(22));
static_assert(offsetof(EngineFunctions, hasImplicitBatchDimension) == slot(30));
static_assert(offsetof(EngineFunctions, getTensorLocation) == slot(36));
static_assert(offsetof(EngineFunctions, getTensorIOMode) == slot(38));
static_assert(offsetof(EngineFunctions, getTensorFormat) == slot(41));
static_assert(offsetof(EngineFunctions, getIOTensorName) == slot(46));
static_assert(offsetof(ContextFunctions, getBindingDimensions) == slot(16));
static_assert(offsetof(ContextFunctions, enqueueV2) == slot(24));
static_assert(offsetof(ContextFunctions, getTensorShape) == slot(30));
static_assert(offsetof(ContextFunctions, setTensorAddress) == slot(32));
static_assert(offsetof(ContextFunctions, enqueueV3) == slot(44));
#else
static_assert(offsetof(RuntimeFunctions, deserializeCudaEngine) == slot(3));
static_assert(offsetof(RuntimeFunctions, setDLACore) == slot(5));
static_assert(offsetof(RuntimeFunctions, getNbDLACores) == slot(7));
static_assert(offsetof(RuntimeFunctions, setEngineHostCodeAllowed) == slot(21));
static_assert(offsetof(EngineFunctions, createExecutionContext) == slot(5));
static_assert(offsetof(EngineFunctions, getTensorLocation) == slot(21));
static_assert(offsetof(EngineFunctions, getTensorIOMode) == slot(23));
static_assert(offsetof(EngineFunctions, getTensorFormat) == slot(26));
static_assert(offsetof(EngineFunctions, getIOTensorName) == slot(31));
static_assert(offsetof(ContextFunctions, getTensorShape) == slot(22));
static_assert(offsetof(ContextFunctions, setTensorAddress) == slot(24));
static_assert(offsetof(ContextFunctions, enqueueV3) == slot(37));
#endif

/// The library's exported functions. `api_version` is the caller's header version; a library of the same major takes it.
using CreateRuntime = Runtime* (*)(Logger* logger, std::int32_t api_version) noexcept;
using GetLibraryVersion = std::int32_t (*)() noexcept;
inline constexpr char kCreateRuntimeName[] = "createInferRuntime_INTERNAL";
inline constexpr char kGetLibraryVersionName[] = "getInferLibVersion";

}  // namespace nvinfer
