// A model file that nobody has vouched for is loaded in a process of its own first, where the vendor's loader ends
// the process on a damaged file. The program for it is edgecore-try (app/try.cc), which lies beside the modules.
#pragma once

#include <cstdint>
#include <filesystem>

#include "edgecore/backend.h"
#include "edgecore/status.h"

namespace edgecore {

/// The trial's protocol: on this descriptor the child writes one line, "CODE TEXT\n", code 0 if all went well.
/// A child that wrote none did not get that far.
inline constexpr int kTrialFd = 3;

/// `modules`/edgecore-try; where that folder has none, the one that was installed with this library.
std::filesystem::path find_trial_program(const std::filesystem::path& modules);

/// A minute; five for files from 100 MB on.
std::int64_t trial_limit_ms(const std::filesystem::path& model);

/// Loads the model through the module and runs it once on zeros. kCorrupt where that ends or hangs the process; the
/// module's own error where it has one; kNotFound or kUnsupported where `program` cannot be started.
Status try_model(const std::filesystem::path& program, const std::filesystem::path& module,
                 const EngineRequest& request, std::int64_t limit_ms);

}  // namespace edgecore
