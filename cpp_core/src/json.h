// Writing JSON (RFC 8259), one line at a time. Independent of the process's locale.
#pragma once

#include <string>
#include <string_view>

namespace edgecore {

/// Quoted and escaped. Bytes that are not UTF-8 become U+FFFD, so that the line is always valid JSON.
std::string json_string(std::string_view text);

/// Fixed notation; null for a value that JSON cannot say (NaN, infinity).
std::string json_number(float value, int decimals);

}  // namespace edgecore
