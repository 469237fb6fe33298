// What a pipeline may set for this backend under `engine.options`.
#pragma once

#include <string>
#include <vector>

#include "edgecore/abi.h"

namespace edgecore::sophon {

/// Which pictures VPP makes ready; the CPU does all others.
enum class Pictures {
  kOnDevice,  // those that lie there already
  kAll,
  kNone,
};

struct EngineOptions {
  std::string network;     // name of one; empty: the file's only one
  Pictures pictures = Pictures::kOnDevice;
  std::vector<int> cores;  // of a chip with several; empty: as many as the model was compiled for, from 0
};

/// Refuses a key or value that is not listed above.
abi::Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept;

}  // namespace edgecore::sophon
