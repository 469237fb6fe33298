// What a pipeline may set for this backend under `engine.options`.
#pragma once

#include <cstdint>

#include "edgecore/abi.h"

namespace edgecore::tensorrt {

struct EngineOptions {
  static constexpr std::int32_t kMostInFlight = 8;

  std::int32_t in_flight = 2;   // 1 .. 8: runs that may be open at a time
  std::int32_t dla_core = -1;   // -1: the GPU; else the deep-learning accelerator that the plan was built for
  bool allow_host_code = false; // version-compatible plans bring a runtime of their own, which is code of the host
};

/// Refuses a key or value that is not listed above.
abi::Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept;

}  // namespace edgecore::tensorrt
