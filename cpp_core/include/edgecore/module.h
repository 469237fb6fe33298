// The backend's side of the seam: small helpers for whoever writes a module. Header-only, so that a
// module links nothing of the core and may use another C++ runtime.
#pragma once

#include <cstdio>
#include <cstring>

#include "edgecore/abi.h"

#define EDGECORE_EXPORT extern "C" __attribute__((visibility("default")))

namespace edgecore::module {

/// Fills *error (which may be null) and returns `code`, so that a failure is one statement:
/// return fail(error, Code::kSdk, "%s: %d", "CreateSession", rc);
__attribute__((format(printf, 3, 4))) inline abi::Code fail(abi::Error* error, abi::Code code, const char* format,
                                                             ...) noexcept {
  if (error != nullptr) {
    error->code = code;
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    std::vsnprintf(error->text, sizeof error->text, format, arguments);
    __builtin_va_end(arguments);
  }
  return code;
}

/// Truncates rather than overruns; always terminated.
template <std::size_t N>
void copy_text(char (&target)[N], const char* text) noexcept {
  std::snprintf(target, N, "%s", text);
}

}  // namespace edgecore::module
