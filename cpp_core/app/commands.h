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

/// Prints one line of JSON per frame until the source ends, a signal comes or nobody reads any more. Of several sources
/// one that fails is told on stderr, and the others go on; the first one's code is ours when all have ended.
/// SIGTERM is how a supervisor says that the work is done: 0, which systemd and container engines take for a
/// clean end. SIGINT is a person who breaks it off: kExitInterrupted, which stops the shell script around it.
int run_pipeline(const Arguments& arguments);

/// Prints the status if it is a healthy one; else 1, with one line that says why.
int tell_health(const Arguments& arguments);

/// Prints one line of JSON per module: {"name", "runtime", "devices"}, or {"name", "code", "error", "hint"} for
/// one that is there and cannot be opened. As a document: {"schema", "folder", "backends": [...]} of the same.
int list_modules(const Arguments& arguments);

}  // namespace edgecore::app
