#include "arguments.h"

#include <charconv>
#include <utility>

#include "suggest.h"

namespace edgecore::app {

const char* const kUsage =
    "usage: edgecore run PIPELINE [--limit N] [--source URI] [--annotate DIR] [--backends DIR]\n"
    "                    [--status FILE] [--quiet]\n"
    "       edgecore health FILE [--frames N] [--within SECONDS]\n"
    "       edgecore backends [--backends DIR] [--json]\n"
    "       edgecore --version | --help\n"
    "\n"
    "run       prints one JSON object per frame: detections in frame pixels, timings in microseconds; with several\n"
    "          sources also whose it is. A stream that fails ends with a line on stderr, the others go on\n"
    "health    prints the status that a run keeps in FILE; fails unless that run is getting frames\n"
    "backends  prints one JSON object per backend module: its runtime and how many devices it sees\n"
    "\n"
    "  --limit N         stop after N frames, of each source\n"
    "  --source URI      read this video, image, folder of images or rtsp:// address instead of the pipeline's\n"
    "  --annotate DIR    write each frame there as a JPEG with its boxes\n"
    "  --backends DIR    look for modules there (also EDGECORE_BACKENDS)\n"
    "  --status FILE     keep one JSON object there about the run itself, renewed once a second\n"
    "  --quiet           print no frames\n"
    "  --json            print one JSON object of all modules\n"
    "  --frames N        healthy from N frames on (default 1)\n"
    "  --within SECONDS  healthy while the last frame is younger than this (default 10)\n"
    "\n"
    "exit codes: 0 done or ended by SIGTERM, 1 failed or not healthy, 2 usage or configuration,\n"
    "            3 not found or not supported here, 6 corrupt video or model, 130 interrupted (SIGINT);\n"
    "            of several sources that of the first one that failed, when all have ended\n";

namespace {

Error usage_error(std::string problem, std::string hint = "edgecore --help lists all commands and options") {
  return {Code::kInvalidArgument, std::move(problem), std::move(hint)};
}

Status read_count(std::int64_t& field, const std::string& option, const std::string& text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, count);
  if (failure != std::errc() || stop != end || count < 1) {
    return usage_error(option + ": expected a whole number from 1, found '" + text + "'");
  }
  field = count;
  return {};
}

Status set_option(Arguments& arguments, const std::string& option, const std::string& value) {
  if (option == "--limit") return read_count(arguments.limit.emplace(), option, value);
  if (option == "--frames") return read_count(arguments.healthy.frames, option, value);
  if (option == "--within") return read_count(arguments.healthy.within_s, option, value);
  if (option == "--source") {
    arguments.source = value;
  } else if (option == "--annotate") {
    arguments.annotate = value;
  } else if (option == "--status") {
    arguments.status = value;
  } else {
    arguments.backends = value;
  }
  return {};
}

std::vector<std::string> options_of(Command command) {
  switch (command) {
    case Command::kRun: return {"--limit", "--source", "--annotate", "--backends", "--status", "--quiet"};
    case Command::kHealth: return {"--frames", "--within"};
    default: return {"--backends", "--json"};
  }
}

/// The one word that a command wants besides its options; nullptr where it wants none.
std::filesystem::path* operand_of(Arguments& arguments) {
  switch (arguments.command) {
    case Command::kRun: return &arguments.pipeline;
    case Command::kHealth: return &arguments.status;
    default: return nullptr;
  }
}

bool is_option(const std::string& word) { return word.size() > 1 && word.front() == '-'; }

Result<Command> parse_command(const std::string& word) {
  if (word == "run") return Command::kRun;
  if (word == "health") return Command::kHealth;
  if (word == "backends") return Command::kBackends;
  if (word == "--help" || word == "-h") return Command::kHelp;
  if (word == "--version") return Command::kVersion;
  return usage_error("no command named '" + word + "'", suggest(word, {"run", "health", "backends", "--help", "--version"}));
}

/// Reads `--flag`, `--option VALUE` or `--option=VALUE` at `at` and steps over what it used.
Status read_option(Arguments& arguments, const std::vector<std::string>& words, std::size_t& at) {
  const std::string& word = words[at];
  const std::size_t equals = word.find('=');
  const std::string option = word.substr(0, equals);
  const std::vector<std::string> known = options_of(arguments.command);
  bool is_known = false;
  for (const std::string& each : known) is_known = is_known || each == option;
  if (!is_known) return usage_error("no option named '" + option + "' here", suggest(option, known));
  if (option == "--quiet" || option == "--json") {
    if (equals != std::string::npos) return usage_error(option + ": takes no value");
    (option == "--quiet" ? arguments.quiet : arguments.as_document) = true;
    return {};
  }
  if (equals != std::string::npos) return set_option(arguments, option, word.substr(equals + 1));
  if (++at == words.size()) return usage_error(option + ": expected a value after it");
  return set_option(arguments, option, words[at]);
}

}  // namespace

Result<Arguments> parse_arguments(const std::vector<std::string>& words) {
  if (words.empty()) return usage_error("expected a command");
  Arguments arguments;
  const Result<Command> command = parse_command(words.front());
  if (!command) return command.error();
  arguments.command = *command;
  std::filesystem::path* const operand = operand_of(arguments);

  for (std::size_t at = 1; at < words.size(); ++at) {
    if (words[at] == "--help" || words[at] == "-h") {
      arguments.command = Command::kHelp;
      return arguments;
    }
    if (is_option(words[at])) {
      if (Status status = read_option(arguments, words, at); !status) return status.error();
    } else if (operand != nullptr && operand->empty()) {
      *operand = words[at];
    } else {
      return usage_error("did not expect '" + words[at] + "'");
    }
  }
  if (arguments.command == Command::kRun && arguments.pipeline.empty()) {
    return usage_error("run: expected the path of a pipeline.yaml");
  }
  if (arguments.command == Command::kHealth && arguments.status.empty()) {
    return usage_error("health: expected the file that `run --status FILE` writes");
  }
  return arguments;
}

}  // namespace edgecore::app
