#include "yaml_text.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace edgecore::yaml {
namespace {

/// Bytes of the UTF-8 sequence at the start of `rest`; 0 if there is none. Overlong forms, surrogates and
/// code points above U+10FFFF are refused. Source: The Unicode Standard, table 3-7.
std::size_t utf8_sequence(std::string_view rest) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(rest[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || length > rest.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
  const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

bool is_control(char c) { return (static_cast<std::uint8_t>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F; }

}  // namespace

Status check_text(const std::string& text, const std::string& name) {
  std::size_t line = 1;
  bool indentation = true;
  const auto refuse = [&](const char* problem, const char* hint) {
    return Error{Code::kInvalidArgument, name + ":" + std::to_string(line) + ": " + problem, hint};
  };
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t length = utf8_sequence(std::string_view(text).substr(at));
    if (length == 0) return refuse("not UTF-8 text", "save the file as UTF-8; is it a YAML file at all?");
    if (is_control(c)) return refuse("control character in the text", "is it a YAML file at all?");
    if (indentation && c == '\t') return refuse("tab in the indentation", "YAML wants spaces there");
    if (c == '\n') ++line;
    indentation = c == '\n' || (indentation && c == ' ');
    at += length;
  }
  return {};
}

}  // namespace edgecore::yaml
