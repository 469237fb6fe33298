#include "options.h"

#include <string_view>

#include "edgecore/module.h"

namespace edgecore::amlogic {

using abi::Code;
using module::fail;

Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept {
  if (spec.device != 0) return fail(error, Code::kInvalidArgument, "device %d: only device 0 is there", spec.device);
  if (spec.threads < 1)
    return fail(error, Code::kInvalidArgument, "threads: expected 1 or more, found %d", spec.threads);
  for (std::size_t i = 0; i < spec.option_count; ++i) {
    const std::string_view key = spec.options[i].key;
    const std::string_view value = spec.options[i].value;
    const bool is_slots = value.size() == 1 && value[0] >= '1' && value[0] <= '4';
    if (key == "raw" && (value == "true" || value == "false")) {
      options.raw = value == "true";
    } else if (key == "slots" && is_slots) {
      options.slots = value[0] - '0';
    } else if (key == "raw" || key == "slots") {
      return fail(error, Code::kInvalidArgument, "option %s: expected %s, found '%s'", spec.options[i].key,
                  key == "raw" ? "true or false" : "1 to 4", spec.options[i].value);
    } else {
      return fail(error, Code::kInvalidArgument, "no option named '%s'; known: raw, slots", spec.options[i].key);
    }
  }
  return Code::kOk;
}

}  // namespace edgecore::amlogic
