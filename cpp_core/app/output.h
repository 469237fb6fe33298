// The runner's standard output, which belongs to its results alone.
#pragma once

#include <string>

namespace edgecore::app {

/// Call first, before anything else may print: keeps the real standard output for write_line() and points descriptor 1
/// at standard error. Vendors' libraries print there when they are loaded, when they open a model and when they run
/// it; in the middle of a line of JSON that would be the end of whoever reads it.
void keep_standard_output() noexcept;

enum class Written { kYes, kNobodyReads, kInterrupted, kFailed };

/// One line, at once in the reader's hands: nothing stays in a buffer that the end of the process waits for.
/// is_stopped: asked when a signal interrupts the write, and while a non-blocking descriptor takes nothing; yes gives
/// kInterrupted.
Written write_line(std::string line, bool (*is_stopped)() noexcept);

}  // namespace edgecore::app
