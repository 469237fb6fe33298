// A module's own words. It is other people's code: a text may lack its terminator, be absent or be no UTF-8.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "edgecore/abi.h"
#include "edgecore/status.h"
#include "utf8.h"

namespace edgecore {

inline std::string bounded(const char* text, std::size_t room) {
  return text == nullptr ? std::string() : to_utf8({text, strnlen(text, room)});
}

/// "where: the module's text". It failed, whatever code it says.
inline Error from_module(const std::string& where, Code code, const abi::Error& error) {
  const Code told = code == Code::kOk ? Code::kInternal : code;
  const std::string text = bounded(error.text, sizeof error.text);
  return {told, where + ": " + (text.empty() ? to_string(told) : text), {}};
}

}  // namespace edgecore
