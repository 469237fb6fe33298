#include "options.h"

#include <cstdio>
#include <cstring>
#include <string_view>

#include "edgecore/module.h"

namespace edgecore::cpu {
namespace {

using abi::Code;
using module::fail;

template <typename T>
struct Choice {
  const char* word;
  T value;
};

constexpr Choice<ort::OptimizationLevel> kLevels[] = {
    {"none", ort::kOptimizeNone},
    {"basic", ort::kOptimizeBasic},
    {"extended", ort::kOptimizeExtended},
    {"all", ort::kOptimizeAll},
};
constexpr Choice<bool> kBooleans[] = {{"true", true}, {"false", false}};

template <typename T, std::size_t N>
Code choose(const abi::Option& option, const Choice<T> (&choices)[N], T& field, abi::Error* error) {
  char words[64] = "";
  for (const Choice<T>& choice : choices) {
    if (std::string_view(option.value) == choice.word) {
      field = choice.value;
      return Code::kOk;
    }
    std::snprintf(words + std::strlen(words), sizeof words - std::strlen(words), " %s", choice.word);
  }
  return fail(error, Code::kInvalidArgument, "option %s: no choice '%s'; known:%s", option.key, option.value, words);
}

}  // namespace

Code parse_options(const abi::EngineSpec& spec, EngineOptions& options, abi::Error* error) noexcept {
  if (spec.device != 0) return fail(error, Code::kInvalidArgument, "device %d: only device 0 is there", spec.device);
  if (spec.threads < 1) return fail(error, Code::kInvalidArgument, "threads: expected 1 or more, found %d", spec.threads);
  for (std::size_t i = 0; i < spec.option_count; ++i) {
    const abi::Option& option = spec.options[i];
    const std::string_view key = option.key;
    Code code = Code::kOk;
    if (key == "graph_optimization") {
      code = choose(option, kLevels, options.graph_optimization, error);
    } else if (key == "deterministic") {
      code = choose(option, kBooleans, options.deterministic, error);
    } else {
      code = fail(error, Code::kInvalidArgument, "no option named '%s'; known: graph_optimization, deterministic", option.key);
    }
    if (code != Code::kOk) return code;
  }
  return Code::kOk;
}

}  // namespace edgecore::cpu
