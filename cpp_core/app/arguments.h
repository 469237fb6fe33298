// The runner's command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "edgecore/status.h"
#include "run_status.h"

namespace edgecore::app {

enum class Command { kRun, kHealth, kBackends, kHelp, kVersion };

struct Arguments {
  Command command = Command::kHelp;
  std::filesystem::path pipeline;
  // What the command line says instead of the pipeline file; relative to the working directory.
  std::optional<std::int64_t> limit;
  std::optional<std::string> source;
  std::optional<std::filesystem::path> annotate;
  std::optional<std::filesystem::path> backends;
  std::filesystem::path status;  // written by run (empty: not asked for), read by health
  bool quiet = false;
  bool as_document = false;  // backends: one JSON document rather than a line per module
  Expected healthy;
};

/// words: argv without the program's name.
Result<Arguments> parse_arguments(const std::vector<std::string>& words);

/// The text of --help.
extern const char* const kUsage;

}  // namespace edgecore::app
