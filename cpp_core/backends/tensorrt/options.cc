#include "options.h"

#include <cstdlib>
#include <string_view>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using module::fail;

Code parse_number(const abi::Option& option, std::int32_t least, std::int32_t most, std::int32_t& field,
                  abi::Error* error) {
  char* end = nullptr;
  const long number = std::strtol(option.value, &end, 10);
  if (*option.value == '\0' || *end != '\0' || number < least || number > most) {
    return fail(error, Code::kInvalidArgument, "option %s: expected %d to %d, found '%s'", option.key, least, most,
                option.value);
  }
  field = static_cast<std::int32_t>(number);
  return Code::kOk;
}

Code parse_boolean(const abi::Option& option, bool& field, abi::Error* error) {
  const std::string_view value = option.value;
  if (value != "true" && value != "false") {
    return fail(error, Code::kInvalidArgument, "option %s: expected true or false, found '%s'", option.key, option.value);
  }
  field = value == "true";
  return Code::kOk;
}

}  // namespace

Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept {
  constexpr std::int32_t kMostDlaCores = 15;  // the runtime says how many there are
  for (std::size_t i = 0; i < spec.option_count; ++i) {
    const abi::Option& option = spec.options[i];
    const std::string_view key = option.key;
    Code code = Code::kOk;
    if (key == "in_flight") {
      code = parse_number(option, 1, EngineOptions::kMostInFlight, options.in_flight, error);
    } else if (key == "dla_core") {
      code = parse_number(option, 0, kMostDlaCores, options.dla_core, error);
    } else if (key == "allow_host_code") {
      code = parse_boolean(option, options.allow_host_code, error);
    } else {
      code = fail(error, Code::kInvalidArgument, "no option named '%s'; known: in_flight, dla_core, allow_host_code",
                  option.key);
    }
    if (code != Code::kOk) return code;
  }
  return Code::kOk;
}

}  // namespace edgecore::tensorrt
