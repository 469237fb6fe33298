// Compile-only: our declarations against a real onnxruntime_c_api.h, see EDGECORE_ORT_HEADER. An object
// file from this is the proof; nothing links it.

#include EDGECORE_ORT_HEADER

#include "abi/onnxruntime.h"

static_assert(ORT_API_VERSION >= ort::kApiVersion, "the header is older than the API we ask for");

#define SAME_POSITION(function) \
  static_assert(offsetof(ort::Api, function) == offsetof(OrtApi, function), #function " is elsewhere")

SAME_POSITION(GetErrorCode);
SAME_POSITION(GetErrorMessage);
SAME_POSITION(CreateEnv);
SAME_POSITION(DisableTelemetryEvents);
SAME_POSITION(CreateSession);
SAME_POSITION(Run);
SAME_POSITION(CreateSessionOptions);
SAME_POSITION(SetSessionExecutionMode);
SAME_POSITION(SetSessionLogSeverityLevel);
SAME_POSITION(SetSessionGraphOptimizationLevel);
SAME_POSITION(SetIntraOpNumThreads);
SAME_POSITION(SessionGetInputCount);
SAME_POSITION(SessionGetOutputCount);
SAME_POSITION(SessionGetInputTypeInfo);
SAME_POSITION(SessionGetOutputTypeInfo);
SAME_POSITION(SessionGetInputName);
SAME_POSITION(SessionGetOutputName);
SAME_POSITION(CreateTensorWithDataAsOrtValue);
SAME_POSITION(GetTensorMutableData);
SAME_POSITION(CastTypeInfoToTensorInfo);
SAME_POSITION(GetTensorElementType);
SAME_POSITION(GetDimensionsCount);
SAME_POSITION(GetDimensions);
SAME_POSITION(GetTensorTypeAndShape);
SAME_POSITION(CreateCpuMemoryInfo);
SAME_POSITION(AllocatorFree);
SAME_POSITION(GetAllocatorWithDefaultOptions);
SAME_POSITION(ReleaseStatus);
SAME_POSITION(ReleaseMemoryInfo);
SAME_POSITION(ReleaseSession);
SAME_POSITION(ReleaseValue);
SAME_POSITION(ReleaseTypeInfo);
SAME_POSITION(ReleaseTensorTypeAndShapeInfo);
SAME_POSITION(ReleaseSessionOptions);
SAME_POSITION(SetDeterministicCompute);

static_assert(offsetof(ort::ApiBase, GetApi) == offsetof(OrtApiBase, GetApi));
static_assert(offsetof(ort::ApiBase, GetVersionString) == offsetof(OrtApiBase, GetVersionString));

static_assert(ort::kFail == int{ORT_FAIL} && ort::kInvalidArgument == int{ORT_INVALID_ARGUMENT});
static_assert(ort::kNoSuchFile == int{ORT_NO_SUCHFILE} && ort::kNoModel == int{ORT_NO_MODEL});
static_assert(ort::kInvalidProtobuf == int{ORT_INVALID_PROTOBUF} && ort::kInvalidGraph == int{ORT_INVALID_GRAPH});
static_assert(ort::kNotImplemented == int{ORT_NOT_IMPLEMENTED});
static_assert(ort::kLogError == int{ORT_LOGGING_LEVEL_ERROR} && ort::kSequential == int{ORT_SEQUENTIAL});
static_assert(ort::kOptimizeNone == int{ORT_DISABLE_ALL} && ort::kOptimizeBasic == int{ORT_ENABLE_BASIC});
static_assert(ort::kOptimizeExtended == int{ORT_ENABLE_EXTENDED} && ort::kOptimizeAll == int{ORT_ENABLE_ALL});
static_assert(ort::kArenaAllocator == int{OrtArenaAllocator} && ort::kDefaultMemory == int{OrtMemTypeDefault});
static_assert(ort::kFloat == int{ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT});
static_assert(ort::kFloat16 == int{ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16});
static_assert(ort::kInt8 == int{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8});
static_assert(ort::kUInt8 == int{ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8});
static_assert(ort::kInt32 == int{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32});
static_assert(ort::kInt64 == int{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64});
