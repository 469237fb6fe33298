#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "edgecore/status.h"

namespace edgecore {

/// kNotFound for a file that cannot be opened, kCorrupt for one that cannot be read to its end.
Result<std::vector<std::uint8_t>> read_bytes(const std::filesystem::path& path);

}  // namespace edgecore
