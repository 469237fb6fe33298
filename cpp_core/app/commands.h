// What the runner does, one function per command. stdout gets the result, stderr what went wrong.
#pragma once

#include "arguments.h"
#include "edgecore/status.h"

namespace edgecore::app {

constexpr int kExitInterrupted = 130;

/// 0 done, 2 configuration, 3 not found or not supported here, 6 corrupt input, 1 anything else.
int exit_code(Code code) noexcept;

/// Prints the error with its hint; returns its exit code.
int report(const Error& error);

/// Prints one line of JSON per frame until the source ends, a signal comes or nobody reads any more.
int run_pipeline(const Arguments& arguments);

/// Prints one line of JSON per module: {"name", "runtime", "devices"}, or {"name", "error", "hint"} for
/// one that is there and cannot be opened.
int list_modules(const Arguments& arguments);

}  // namespace edgecore::app
