#include "yaml_text.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "utf8.h"

namespace edgecore::yaml {
namespace {

bool is_control(char c) {
  const bool is_space = c == '\t' || c == '\n' || c == '\r';
  return (static_cast<std::uint8_t>(c) < 0x20 && !is_space) || c == 0x7F;
}

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
