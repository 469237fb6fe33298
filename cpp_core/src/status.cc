#include "edgecore/status.h"

namespace edgecore {

std::string to_string(const Error& error) {
  return error.hint.empty() ? error.message : error.message + "\n  hint: " + error.hint;
}

const char* to_string(Code code) noexcept {
  switch (code) {
    case Code::kOk: return "ok";
    case Code::kInvalidArgument: return "invalid argument";
    case Code::kNotFound: return "not found";
    case Code::kUnsupported: return "unsupported";
    case Code::kCorrupt: return "corrupt";
    case Code::kSdk: return "vendor library failed";
    case Code::kInternal: return "internal error";
  }
  return "unknown code";  // a module may hand us a number of its own
}

}  // namespace edgecore
