// The order of the virtual functions that releases of TensorRT have, for the stand-in alone: written down apart from the
// backend's own declarations (abi/nvinfer.h), so that a mistake there meets the right order here. Names in the order of
// the classes apiv::VRuntime, VCudaEngine and VExecutionContext, destructor left out, which has two slots before them.
//
// Source: NvInferImpl.h of the public branches release/8.0, 8.5, 8.6, 10.3 and 10.15 of NVIDIA/TensorRT, read by a script
// that lists the `virtual` declarations; a later list begins with every earlier one of its major version.
#pragma once

#include <cstddef>

namespace stand_in {

/// How many functions of each list a release has.
struct Release {
  int version;  // as getInferLibVersion() says it
  std::size_t runtime;
  std::size_t engine;
  std::size_t context;
};

#if STAND_IN_MAJOR == 8

inline constexpr Release kReleases[] = {
    {8001, 7, 30, 24},
    {8503, 10, 45, 47},
    {8601, 20, 53, 49},
};
inline constexpr const char* kRuntimeOrder[] = {
    "deserializeCudaEngine", "setDLACore", "getDLACore", "getNbDLACores", "setGpuAllocator", "setErrorRecorder",
    "getErrorRecorder", "getLogger", "setMaxThreads", "getMaxThreads", "setTemporaryDirectory",
    "getTemporaryDirectory", "setTempfileControlFlags", "getTempfileControlFlags", "getPImpl", "getPluginRegistry",
    "setPluginRegistryParent", "loadRuntime", "setEngineHostCodeAllowed", "getEngineHostCodeAllowed"};
inline constexpr const char* kEngineOrder[] = {
    "getNbBindings", "getBindingIndex", "getBindingName", "bindingIsInput", "getBindingDimensions",
    "getBindingDataType", "getMaxBatchSize", "getNbLayers", "serialize", "createExecutionContext", "getLocation",
    "createExecutionContextWithoutDeviceMemory", "getDeviceMemorySize", "isRefittable", "getBindingBytesPerComponent",
    "getBindingComponentsPerElement", "getBindingFormat", "getBindingFormatDesc", "getBindingVectorizedDim",
    "getName", "getNbOptimizationProfiles", "getProfileDimensions", "getProfileShapeValues", "isShapeBinding",
    "isExecutionBinding", "getEngineCapability", "setErrorRecorder", "getErrorRecorder", "hasImplicitBatchDimension",
    "getTacticSources", "getProfilingVerbosity", "createEngineInspector", "getTensorShape", "getTensorDataType",
    "getTensorLocation", "isShapeInferenceIO", "getTensorIOMode", "getTensorBytesPerComponent",
    "getTensorComponentsPerElement", "getTensorFormat", "getTensorFormatDesc", "getTensorVectorizedDim",
    "getProfileShape", "getNbIOTensors", "getIOTensorName", "getHardwareCompatibilityLevel", "getPImpl",
    "getNbAuxStreams", "getTensorBytesPerComponentV2", "getTensorComponentsPerElementV2", "getTensorFormatV2",
    "getTensorFormatDescV2", "getTensorVectorizedDimV2"};
inline constexpr const char* kContextOrder[] = {
    "execute", "enqueue", "setDebugSync", "getDebugSync", "setProfiler", "getProfiler", "getEngine", "setName",
    "getName", "setDeviceMemory", "getStrides", "setOptimizationProfile", "getOptimizationProfile",
    "setBindingDimensions", "getBindingDimensions", "setInputShapeBinding", "getShapeBinding",
    "allInputDimensionsSpecified", "allInputShapesSpecified", "setErrorRecorder", "getErrorRecorder", "executeV2",
    "enqueueV2", "setOptimizationProfileAsync", "setEnqueueEmitsProfile", "getEnqueueEmitsProfile",
    "reportToProfiler", "setInputShape", "getTensorShape", "getTensorStrides", "setTensorAddress", "getTensorAddress",
    "setInputTensorAddress", "inferShapes", "setInputConsumedEvent", "getInputConsumedEvent",
    "getOutputTensorAddress", "setOutputAllocator", "getOutputAllocator", "getMaxOutputSize",
    "setTemporaryStorageAllocator", "getTemporaryStorageAllocator", "enqueueV3", "setPersistentCacheLimit",
    "getPersistentCacheLimit", "setNvtxVerbosity", "getNvtxVerbosity", "getPImpl", "setAuxStreams"};

#else

inline constexpr Release kReleases[] = {
    {100300, 21, 52, 48},
    {101501, 22, 57, 51},
};
inline constexpr const char* kRuntimeOrder[] = {
    "getPImpl", "deserializeCudaEngine", "deserializeCudaEngine_reader", "setDLACore", "getDLACore", "getNbDLACores",
    "setGpuAllocator", "setErrorRecorder", "getErrorRecorder", "getLogger", "setMaxThreads", "getMaxThreads",
    "setTemporaryDirectory", "getTemporaryDirectory", "setTempfileControlFlags", "getTempfileControlFlags",
    "getPluginRegistry", "setPluginRegistryParent", "loadRuntime", "setEngineHostCodeAllowed",
    "getEngineHostCodeAllowed", "deserializeCudaEngineV2"};
inline constexpr const char* kEngineOrder[] = {
    "getPImpl", "getNbLayers", "serialize", "createExecutionContext", "createExecutionContextWithoutDeviceMemory",
    "getDeviceMemorySize", "isRefittable", "getName", "getNbOptimizationProfiles", "getProfileTensorValues",
    "getEngineCapability", "setErrorRecorder", "getErrorRecorder", "hasImplicitBatchDimension", "getTacticSources",
    "getProfilingVerbosity", "createEngineInspector", "getTensorShape", "getTensorDataType", "getTensorLocation",
    "isShapeInferenceIO", "getTensorIOMode", "getTensorBytesPerComponent", "getTensorComponentsPerElement",
    "getTensorFormat", "getTensorFormatDesc", "getTensorVectorizedDim", "getProfileShape", "getNbIOTensors",
    "getIOTensorName", "getHardwareCompatibilityLevel", "getNbAuxStreams", "getTensorBytesPerComponentV2",
    "getTensorComponentsPerElementV2", "getTensorFormatV2", "getTensorFormatDescV2", "getTensorVectorizedDimV2",
    "createSerializationConfig", "serializeWithConfig", "getDeviceMemorySizeForProfile", "createRefitter",
    "setWeightStreamingBudget", "getWeightStreamingBudget", "getMinimumWeightStreamingBudget",
    "getStreamableWeightsSize", "isDebugTensor", "setWeightStreamingBudgetV2", "getWeightStreamingBudgetV2",
    "getWeightStreamingAutomaticBudget", "getWeightStreamingScratchMemorySize", "getDeviceMemorySizeV2",
    "getDeviceMemorySizeForProfileV2", "getProfileTensorValuesV2", "createExecutionContextWithRuntimeConfig",
    "createRuntimeConfig", "getEngineStat", "getAliasedInputTensor"};
inline constexpr const char* kContextOrder[] = {
    "getPImpl", "setDebugSync", "getDebugSync", "setProfiler", "getProfiler", "getEngine", "setName", "getName",
    "setDeviceMemory", "getOptimizationProfile", "allInputDimensionsSpecified", "allInputShapesSpecified",
    "setErrorRecorder", "getErrorRecorder", "executeV2", "setOptimizationProfileAsync", "setEnqueueEmitsProfile",
    "getEnqueueEmitsProfile", "reportToProfiler", "setInputShape", "getTensorShape", "getTensorStrides",
    "setTensorAddress", "getTensorAddress", "setInputTensorAddress", "setOutputTensorAddress", "inferShapes",
    "setInputConsumedEvent", "getInputConsumedEvent", "getOutputTensorAddress", "setOutputAllocator",
    "getOutputAllocator", "getMaxOutputSize", "setTemporaryStorageAllocator", "getTemporaryStorageAllocator",
    "enqueueV3", "setPersistentCacheLimit", "getPersistentCacheLimit", "setNvtxVerbosity", "getNvtxVerbosity",
    "setAuxStreams", "setDebugListener", "getDebugListener", "setTensorDebugState", "getDebugState",
    "setAllTensorsDebugState", "updateDeviceMemorySizeForShapes", "setDeviceMemoryV2", "getRuntimeConfig",
    "setUnfusedTensorsDebugState", "getUnfusedTensorsDebugState"};

#endif

}  // namespace stand_in
