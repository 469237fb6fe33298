// The part of ONNX Runtime's C API that this module calls, declared by us, so that no header of the
// library is needed to compile and any later library serves at run time.
//
// The API is one table of function pointers that only ever grows at its end: the position of a function
// never changes. Positions: include/onnxruntime/core/session/onnxruntime_c_api.h, struct OrtApi, of
// release 1.21; tests/ort_header_check.cc compares them with a real header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ort {

/// The first release with everything below: SetDeterministicCompute came with 1.17.
inline constexpr std::uint32_t kApiVersion = 17;

struct Allocator;
struct Env;
struct MemoryInfo;
struct RunOptions;
struct Session;
struct SessionOptions;
struct Status;  // nullptr is success; anything else is the caller's to release
struct TensorShape;
struct TypeInfo;
struct Value;

enum ErrorCode : int {
  kFail = 1,
  kInvalidArgument = 2,
  kNoSuchFile = 3,
  kNoModel = 4,
  kInvalidProtobuf = 7,
  kNotImplemented = 9,
  kInvalidGraph = 10,
};
enum LoggingLevel : int { kLogError = 3 };
enum ExecutionMode : int { kSequential = 0 };
enum OptimizationLevel : int { kOptimizeNone = 0, kOptimizeBasic = 1, kOptimizeExtended = 2, kOptimizeAll = 99 };
enum AllocatorType : int { kArenaAllocator = 1 };
enum MemoryType : int { kDefaultMemory = 0 };
enum ElementType : int { kFloat = 1, kUInt8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7, kFloat16 = 10 };

using Unused = void (*)();

/// Names are the API's own; `unused_N` stands for the functions from position N up to the next name.
struct Api {
  Unused unused_0;
  ErrorCode (*GetErrorCode)(const Status* status) noexcept;
  const char* (*GetErrorMessage)(const Status* status) noexcept;
  Status* (*CreateEnv)(LoggingLevel level, const char* log_id, Env** out) noexcept;
  Unused unused_4[2];
  Status* (*DisableTelemetryEvents)(const Env* env) noexcept;
  Status* (*CreateSession)(const Env* env, const char* path, const SessionOptions* options, Session** out) noexcept;
  Unused unused_8;
  Status* (*Run)(Session* session, const RunOptions* options, const char* const* input_names,
                 const Value* const* inputs, std::size_t input_count, const char* const* output_names,
                 std::size_t output_count, Value** outputs) noexcept;
  Status* (*CreateSessionOptions)(SessionOptions** out) noexcept;
  Unused unused_11[2];
  Status* (*SetSessionExecutionMode)(SessionOptions* options, ExecutionMode mode) noexcept;
  Unused unused_14[8];
  Status* (*SetSessionLogSeverityLevel)(SessionOptions* options, int level) noexcept;
  Status* (*SetSessionGraphOptimizationLevel)(SessionOptions* options, OptimizationLevel level) noexcept;
  Status* (*SetIntraOpNumThreads)(SessionOptions* options, int threads) noexcept;
  Unused unused_25[5];
  Status* (*SessionGetInputCount)(const Session* session, std::size_t* out) noexcept;
  Status* (*SessionGetOutputCount)(const Session* session, std::size_t* out) noexcept;
  Unused unused_32;
  Status* (*SessionGetInputTypeInfo)(const Session* session, std::size_t index, TypeInfo** out) noexcept;
  Status* (*SessionGetOutputTypeInfo)(const Session* session, std::size_t index, TypeInfo** out) noexcept;
  Unused unused_35;
  Status* (*SessionGetInputName)(const Session* session, std::size_t index, Allocator* allocator, char** out) noexcept;
  Status* (*SessionGetOutputName)(const Session* session, std::size_t index, Allocator* allocator, char** out) noexcept;
  Unused unused_38[11];
  Status* (*CreateTensorWithDataAsOrtValue)(const MemoryInfo* memory, void* data, std::size_t size_bytes,
                                            const std::int64_t* shape, std::size_t rank, ElementType type,
                                            Value** out) noexcept;
  Unused unused_50;
  Status* (*GetTensorMutableData)(Value* value, void** out) noexcept;
  Unused unused_52[3];
  Status* (*CastTypeInfoToTensorInfo)(const TypeInfo* info, const TensorShape** out) noexcept;
  Unused unused_56[4];
  Status* (*GetTensorElementType)(const TensorShape* info, ElementType* out) noexcept;
  Status* (*GetDimensionsCount)(const TensorShape* info, std::size_t* out) noexcept;
  Status* (*GetDimensions)(const TensorShape* info, std::int64_t* dimensions, std::size_t count) noexcept;
  Unused unused_63[2];
  Status* (*GetTensorTypeAndShape)(const Value* value, TensorShape** out) noexcept;
  Unused unused_66[3];
  Status* (*CreateCpuMemoryInfo)(AllocatorType allocator, MemoryType type, MemoryInfo** out) noexcept;
  Unused unused_70[6];
  Status* (*AllocatorFree)(Allocator* allocator, void* memory) noexcept;
  Unused unused_77;
  Status* (*GetAllocatorWithDefaultOptions)(Allocator** out) noexcept;  // not to be released
  Unused unused_79[14];
  void (*ReleaseStatus)(Status* status) noexcept;
  void (*ReleaseMemoryInfo)(MemoryInfo* info) noexcept;
  void (*ReleaseSession)(Session* session) noexcept;
  void (*ReleaseValue)(Value* value) noexcept;
  Unused unused_97;
  void (*ReleaseTypeInfo)(TypeInfo* info) noexcept;
  void (*ReleaseTensorTypeAndShapeInfo)(TensorShape* info) noexcept;
  void (*ReleaseSessionOptions)(SessionOptions* options) noexcept;
  Unused unused_101[172];
  Status* (*SetDeterministicCompute)(SessionOptions* options, bool value) noexcept;
};

/// What OrtGetApiBase() returns, the library's one exported entry.
struct ApiBase {
  const Api* (*GetApi)(std::uint32_t version) noexcept;  // nullptr: the library is older than `version`
  const char* (*GetVersionString)() noexcept;
};
using GetApiBase = const ApiBase* (*)() noexcept;
inline constexpr char kGetApiBaseName[] = "OrtGetApiBase";

// The last name of each run of functions: an error in an earlier gap moves it.
constexpr std::size_t slot(std::size_t position) { return position * sizeof(Unused); }
static_assert(offsetof(Api, CreateEnv) == slot(3));
static_assert(offsetof(Api, CreateSession) == slot(7));
static_assert(offsetof(Api, CreateSessionOptions) == slot(10));
static_assert(offsetof(Api, SetSessionExecutionMode) == slot(13));
static_assert(offsetof(Api, SetIntraOpNumThreads) == slot(24));
static_assert(offsetof(Api, SessionGetOutputCount) == slot(31));
static_assert(offsetof(Api, SessionGetOutputTypeInfo) == slot(34));
static_assert(offsetof(Api, SessionGetOutputName) == slot(37));
static_assert(offsetof(Api, CreateTensorWithDataAsOrtValue) == slot(49));
static_assert(offsetof(Api, GetTensorMutableData) == slot(51));
static_assert(offsetof(Api, CastTypeInfoToTensorInfo) == slot(55));
static_assert(offsetof(Api, GetDimensions) == slot(62));
static_assert(offsetof(Api, GetTensorTypeAndShape) == slot(65));
static_assert(offsetof(Api, CreateCpuMemoryInfo) == slot(69));
static_assert(offsetof(Api, AllocatorFree) == slot(76));
static_assert(offsetof(Api, GetAllocatorWithDefaultOptions) == slot(78));
static_assert(offsetof(Api, ReleaseValue) == slot(96));
static_assert(offsetof(Api, ReleaseSessionOptions) == slot(100));
static_assert(offsetof(Api, SetDeterministicCompute) == slot(273));

}  // namespace ort
