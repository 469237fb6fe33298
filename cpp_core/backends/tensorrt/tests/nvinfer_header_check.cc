// Our declarations against the real headers of one release, see EDGECORE_TRT_HEADERS: signatures when this is compiled,
// positions in the virtual tables when it runs. Prints what differs.

#include <cstdio>
#include <cstring>
#include <type_traits>

#include <NvInferRuntime.h>

#include "abi/nvinfer.h"

#define RELEASE (NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR)

namespace {

int g_wrong = 0;

/// Passed alike by the C++ ABI of LP64: addresses, integers of one size, structs of one size.
template <typename Ours, typename Theirs>
constexpr bool is_alike() {
  if constexpr (std::is_void_v<Ours> || std::is_void_v<Theirs>) {
    return std::is_void_v<Ours> && std::is_void_v<Theirs>;
  } else {
    constexpr bool kAddresses = (std::is_pointer_v<Ours> || std::is_reference_v<Ours>) &&
                                (std::is_pointer_v<Theirs> || std::is_reference_v<Theirs>);
    constexpr bool kNumbers = (std::is_integral_v<Ours> || std::is_enum_v<Ours>) &&
                              (std::is_integral_v<Theirs> || std::is_enum_v<Theirs>) &&
                              std::is_same_v<Ours, bool> == std::is_same_v<Theirs, bool>;
    constexpr bool kStructs = std::is_class_v<Ours> && std::is_class_v<Theirs> &&
                              std::is_trivially_copyable_v<Ours> && std::is_trivially_copyable_v<Theirs>;
    return kAddresses || ((kNumbers || kStructs) && sizeof(Ours) == sizeof(Theirs));
  }
}

/// Itanium C++ ABI, 2.3: a pointer to a virtual member function holds 1 plus its offset in the table; on AArch64 the
/// offset itself, and the 1 is in the other word ("C++ ABI for the Arm 64-bit Architecture", 3.2.1).
template <typename Member>
std::size_t position(Member member) {
  std::size_t words[2];
  static_assert(sizeof words == sizeof member);
  std::memcpy(words, &member, sizeof words);
#ifdef __aarch64__
  return words[0];
#else
  return words[0] - 1;
#endif
}

template <typename R, typename Self, typename... A, typename TheirR, typename Class, typename... B>
void compare(const char* name, std::size_t ours, R (*)(Self*, A...) noexcept, TheirR (Class::*theirs)(B...) noexcept) {
  static_assert(sizeof...(A) == sizeof...(B));
  static_assert(is_alike<R, TheirR>() && (is_alike<A, B>() && ...));
  if (ours == position(theirs)) return;
  std::printf("%s: ours at %zu, theirs at %zu\n", name, ours / sizeof(void*), position(theirs) / sizeof(void*));
  ++g_wrong;
}
template <typename R, typename Self, typename... A, typename TheirR, typename Class, typename... B>
void compare(const char* name, std::size_t ours, R (*)(Self*, A...) noexcept, TheirR (Class::*theirs)(B...) const noexcept) {
  static_assert(sizeof...(A) == sizeof...(B));
  static_assert(is_alike<R, TheirR>() && (is_alike<A, B>() && ...));
  if (ours == position(theirs)) return;
  std::printf("%s: ours at %zu, theirs at %zu\n", name, ours / sizeof(void*), position(theirs) / sizeof(void*));
  ++g_wrong;
}

#define SAME(table, theirs, function) \
  compare(#theirs "::" #function, offsetof(nvinfer::table, function), nvinfer::table{}.function, &nvinfer1::apiv::theirs::function)
#define RUNTIME(function) SAME(RuntimeFunctions, VRuntime, function)
#define ENGINE(function) SAME(EngineFunctions, VCudaEngine, function)
#define CONTEXT(function) SAME(ContextFunctions, VExecutionContext, function)

void compare_runtime() {
#if EDGECORE_TRT_MAJOR == 8
  RUNTIME(deserializeCudaEngine);
#else
  compare("VRuntime::deserializeCudaEngine", offsetof(nvinfer::RuntimeFunctions, deserializeCudaEngine),
          nvinfer::RuntimeFunctions{}.deserializeCudaEngine,
          static_cast<nvinfer1::ICudaEngine* (nvinfer1::apiv::VRuntime::*)(void const*, std::size_t) noexcept>(
              &nvinfer1::apiv::VRuntime::deserializeCudaEngine));
#endif
  RUNTIME(setDLACore);
  RUNTIME(getNbDLACores);
#if RELEASE >= 806
  RUNTIME(setEngineHostCodeAllowed);
#endif
}

void compare_engine() {
  ENGINE(createExecutionContext);
#if EDGECORE_TRT_MAJOR == 8
  ENGINE(getNbBindings);
  ENGINE(getBindingName);
  ENGINE(bindingIsInput);
  ENGINE(getBindingDimensions);
  ENGINE(getBindingDataType);
  ENGINE(getLocation);
  ENGINE(getBindingFormat);
  ENGINE(getNbOptimizationProfiles);
  ENGINE(hasImplicitBatchDimension);
#endif
#if RELEASE >= 805
  ENGINE(getTensorShape);
  ENGINE(getTensorDataType);
  ENGINE(getTensorLocation);
  ENGINE(getTensorIOMode);
  ENGINE(getTensorFormat);
  ENGINE(getNbIOTensors);
  ENGINE(getIOTensorName);
#endif
}

void compare_context() {
#if EDGECORE_TRT_MAJOR == 8
  CONTEXT(setBindingDimensions);
  CONTEXT(getBindingDimensions);
  CONTEXT(enqueueV2);
#endif
#if RELEASE >= 805
  CONTEXT(setInputShape);
  CONTEXT(getTensorShape);
  CONTEXT(setTensorAddress);
  CONTEXT(enqueueV3);
#endif
}

// An object's head: the virtual table, whose first two slots are the destructor, then mImpl.
struct Runtime : nvinfer1::IRuntime {
  static std::size_t offset() {
    const Runtime* const at = reinterpret_cast<const Runtime*>(0x1000);
    return reinterpret_cast<std::size_t>(&at->mImpl) - 0x1000;
  }
};
static_assert(sizeof(nvinfer1::IRuntime) == sizeof(nvinfer::Runtime) && std::has_virtual_destructor_v<nvinfer1::IRuntime>);
static_assert(sizeof(nvinfer1::ICudaEngine) == sizeof(nvinfer::Engine) && std::has_virtual_destructor_v<nvinfer1::ICudaEngine>);
static_assert(sizeof(nvinfer1::IExecutionContext) == sizeof(nvinfer::Context) &&
              std::has_virtual_destructor_v<nvinfer1::IExecutionContext>);
static_assert(std::is_base_of_v<nvinfer1::apiv::VRoot, nvinfer1::apiv::VRuntime> && sizeof(nvinfer1::apiv::VRoot) == 8);

static_assert(sizeof(nvinfer1::Dims) == sizeof(nvinfer::Dims) && nvinfer1::Dims::MAX_DIMS == nvinfer::kMaxRank);
static_assert(offsetof(nvinfer1::Dims, nbDims) == offsetof(nvinfer::Dims, rank));
static_assert(offsetof(nvinfer1::Dims, d) == offsetof(nvinfer::Dims, extents));
static_assert(std::is_same_v<std::remove_reference_t<decltype(nvinfer1::Dims{}.d[0])>, nvinfer::Extent>);

template <typename Theirs, typename Ours>
constexpr bool same(Theirs theirs, Ours ours) {
  return static_cast<std::int64_t>(theirs) == static_cast<std::int64_t>(ours) && sizeof theirs == sizeof ours;
}
using Severity = nvinfer1::ILogger::Severity;
static_assert(same(Severity::kINTERNAL_ERROR, nvinfer::kInternalError) && same(Severity::kERROR, nvinfer::kError));
static_assert(same(Severity::kWARNING, nvinfer::kWarning) && same(Severity::kINFO, nvinfer::kInfo));
static_assert(same(nvinfer1::DataType::kFLOAT, nvinfer::kFloat) && same(nvinfer1::DataType::kHALF, nvinfer::kHalf));
static_assert(same(nvinfer1::DataType::kINT8, nvinfer::kInt8) && same(nvinfer1::DataType::kINT32, nvinfer::kInt32));
static_assert(same(nvinfer1::DataType::kBOOL, nvinfer::kBool));
static_assert(same(nvinfer1::TensorLocation::kDEVICE, nvinfer::kDevice) && same(nvinfer1::TensorLocation::kHOST, nvinfer::kHost));
static_assert(same(nvinfer1::TensorFormat::kLINEAR, nvinfer::kLinear));
#if RELEASE >= 805
static_assert(same(nvinfer1::DataType::kUINT8, nvinfer::kUInt8));
static_assert(same(nvinfer1::TensorIOMode::kINPUT, nvinfer::kInput) && same(nvinfer1::TensorIOMode::kOUTPUT, nvinfer::kOutput));
static_assert(same(nvinfer1::TensorIOMode::kNONE, nvinfer::kNone));
#endif
#if RELEASE >= 1000
static_assert(same(nvinfer1::DataType::kINT64, nvinfer::kInt64));
static_assert(same(nvinfer1::ExecutionContextAllocationStrategy::kSTATIC, nvinfer::kStatic));
#endif
static_assert(NV_TENSORRT_VERSION == nvinfer::version(NV_TENSORRT_MINOR, NV_TENSORRT_PATCH));
static_assert(std::is_same_v<decltype(&createInferRuntime_INTERNAL), void* (*)(void*, std::int32_t) noexcept>);
static_assert(std::is_same_v<decltype(&getInferLibVersion), nvinfer::GetLibraryVersion>);

}  // namespace

int main() {
  compare_runtime();
  compare_engine();
  compare_context();
  compare("ILogger::log", 0, static_cast<void (*)(nvinfer::Logger*, nvinfer::Severity, const char*) noexcept>(nullptr),
          &nvinfer1::ILogger::log);
  if (Runtime::offset() != offsetof(nvinfer::Runtime, implementation)) std::printf("mImpl is at %zu\n", Runtime::offset()), ++g_wrong;
  std::printf("TensorRT %d.%d.%d: %d differ\n", NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH, g_wrong);
  return g_wrong != 0;
}
