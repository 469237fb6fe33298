// What a pipeline may set for this backend under `engine.options`.
#pragma once

#include "abi/onnxruntime.h"
#include "edgecore/abi.h"

namespace edgecore::cpu {

struct EngineOptions {
  ort::OptimizationLevel graph_optimization = ort::kOptimizeAll;  // none | basic | extended | all
  bool deterministic = true;                                      // true | false
};

/// Refuses a key or value that is not listed above, a device other than 0, and no threads.
abi::Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept;

}  // namespace edgecore::cpu
