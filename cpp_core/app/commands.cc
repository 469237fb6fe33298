#include "commands.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>

#include "edgecore/backend.h"
#include "edgecore/pipeline.h"
#include "json.h"

namespace edgecore::app {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void note_signal(int) { interrupted = 1; }

/// The first SIGINT or SIGTERM lets the current frame finish, a second one ends the process at once.
/// A reader that has gone shows as EPIPE of the write rather than as a death.
void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

enum class Written { kYes, kNobodyReads, kFailed };

/// One line, at once in the reader's hands.
Written write_line(const std::string& line) {
  const bool written = std::fputs(line.c_str(), stdout) >= 0 && std::fputc('\n', stdout) != EOF;
  if (written && std::fflush(stdout) == 0) return Written::kYes;
  return errno == EPIPE ? Written::kNobodyReads : Written::kFailed;
}

int end_of_output(Written how) {
  if (how == Written::kNobodyReads) return 0;
  return report({Code::kInternal, std::string("standard output: ") + std::strerror(errno), ""});
}

std::filesystem::path module_folder(const Arguments& arguments) {
  return arguments.backends.value_or(backend_directory());
}

void override_config(PipelineConfig& config, const Arguments& arguments) {
  if (arguments.limit) config.source.limit = *arguments.limit;
  if (arguments.source) config.source.uri = *arguments.source;
  if (arguments.annotate) config.annotate = *arguments.annotate;
}

Result<Pipeline> open_pipeline(const Arguments& arguments) {
  Result<PipelineConfig> config = load_pipeline_config(arguments.pipeline);
  if (!config) return config.error();
  override_config(*config, arguments);
  return Pipeline::open(*config, module_folder(arguments));
}

std::string describe_module(const std::string& name, const std::filesystem::path& folder) {
  const std::string head = "{\"name\": " + json_string(name);
  const Result<Backend> backend = open_backend(name, folder);
  if (!backend) {
    return head + ", \"error\": " + json_string(backend.error().message) +
           ", \"hint\": " + json_string(backend.error().hint) + "}";
  }
  return head + ", \"runtime\": " + json_string(backend->runtime()) +
         ", \"devices\": " + std::to_string(backend->device_count()) + "}";
}

}  // namespace

int exit_code(Code code) noexcept {
  switch (code) {
    case Code::kOk: return 0;
    case Code::kInvalidArgument: return 2;
    case Code::kNotFound:
    case Code::kUnsupported: return 3;
    case Code::kCorrupt: return 6;
    case Code::kSdk:
    case Code::kInternal: return 1;
  }
  return 1;
}

int report(const Error& error) {
  std::fprintf(stderr, "error: %s\n", to_string(error).c_str());
  return exit_code(error.code);
}

int run_pipeline(const Arguments& arguments) {
  install_signal_handlers();
  Result<Pipeline> pipeline = open_pipeline(arguments);
  if (!pipeline) return report(pipeline.error());

  while (interrupted == 0) {
    const Result<std::optional<FrameResult>> result = pipeline->next();
    if (!result) return report(result.error());
    if (!result->has_value()) return 0;
    const Written written = write_line(to_json(**result, pipeline->model().labels));
    if (written != Written::kYes) return end_of_output(written);
  }
  return kExitInterrupted;
}

int list_modules(const Arguments& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::filesystem::path folder = module_folder(arguments);
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return report({Code::kNotFound, folder.string() + ": no such folder", "--backends DIR says where the modules are"});
  }
  for (const std::string& name : list_backends(folder)) {
    const Written written = write_line(describe_module(name, folder));
    if (written != Written::kYes) return end_of_output(written);
  }
  return 0;
}

}  // namespace edgecore::app
