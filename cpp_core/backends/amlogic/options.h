// What a pipeline may set for this backend under `engine.options`.
#pragma once

#include "edgecore/abi.h"

namespace edgecore::amlogic {

struct EngineOptions {
  bool raw = false;        // true | false: ports have the stored types, the caller quantizes
  std::int32_t slots = 2;  // 1 .. 4: runs in flight; each holds the model once
};

/// Refuses a key or value that is not listed above, a device other than 0, and no threads.
abi::Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept;

}  // namespace edgecore::amlogic
