#include "options.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "edgecore/module.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using module::fail;

constexpr int kMaxCores = 8;

/// "0", "1", "0,1": each once, in any order.
bool parse_cores(std::string_view text, std::vector<int>& cores) {
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const int core = text[at] - '0';
    const bool is_end = at + 1 == text.size();
    if (core < 0 || core >= kMaxCores || (!is_end && (text[at + 1] != ',' || at + 2 == text.size()))) return false;
    if (std::find(cores.begin(), cores.end(), core) != cores.end()) return false;
    cores.push_back(core);
  }
  return !cores.empty();
}

bool parse_pictures(std::string_view text, Pictures& pictures) {
  constexpr std::pair<std::string_view, Pictures> kKnown[] = {
      {"auto", Pictures::kOnDevice}, {"vpp", Pictures::kAll}, {"cpu", Pictures::kNone}};
  for (const auto& [name, value] : kKnown) {
    if (text != name) continue;
    pictures = value;
    return true;
  }
  return false;
}

}  // namespace

Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept {
  for (std::size_t i = 0; i < spec.option_count; ++i) {
    const abi::Option& option = spec.options[i];
    const std::string_view key = option.key;
    if (key == "network") {
      options.network = option.value;
    } else if (key == "cores") {
      if (!parse_cores(option.value, options.cores)) {
        return fail(error, Code::kInvalidArgument, "option cores: expected core numbers as 0 or 0,1, found '%s'",
                    option.value);
      }
    } else if (key == "pictures") {
      if (!parse_pictures(option.value, options.pictures)) {
        return fail(error, Code::kInvalidArgument, "option pictures: expected auto, vpp or cpu, found '%s'",
                    option.value);
      }
    } else {
      return fail(error, Code::kInvalidArgument, "no option named '%s'; known: network, cores, pictures", option.key);
    }
  }
  return Code::kOk;
}

}  // namespace edgecore::sophon
