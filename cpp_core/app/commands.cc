#include "commands.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "edgecore/backend.h"
#include "edgecore/pipeline.h"
#include "json.h"
#include "output.h"
#include "run_status.h"

namespace edgecore::app {
namespace {

std::atomic<int> stop_signal{0};  // the one that asked us to end
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only touch what is lock-free");

void note_signal(int signal) { stop_signal = signal; }

/// The first SIGINT or SIGTERM lets the current frame finish, a second one ends the process at once.
/// Without SA_RESTART, so that it also ends a write to somebody who has stopped reading.
/// A reader that has gone shows as EPIPE of the write rather than as a death.
void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool is_stopped() noexcept { return stop_signal != 0; }

int exit_of_stop() noexcept { return stop_signal == SIGTERM ? 0 : kExitInterrupted; }

int end_of_output(Written how) {
  if (how == Written::kFailed) {
    return report({Code::kInternal, std::string("standard output: ") + std::strerror(errno), ""});
  }
  return how == Written::kInterrupted ? exit_of_stop() : 0;
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
  config->source.is_stopped = is_stopped;
  return Pipeline::open(*config, module_folder(arguments));
}

/// Frame after frame; the exit code when there is no further one.
int play(Pipeline& pipeline, const Arguments& arguments, std::optional<StatusFile>& status) {
  while (!is_stopped()) {
    const Result<std::optional<FrameResult>> result = pipeline.next();
    if (!result) return is_stopped() ? exit_of_stop() : report(result.error());
    if (!result->has_value()) return 0;
    const FrameResult& frame = **result;
    if (status) {
      if (Status noted = status->add_frame(frame.detections.size(), uptime_us()); !noted) return report(noted.error());
    }
    if (arguments.quiet) continue;
    const Written written = write_line(to_json(frame, pipeline.model().labels), is_stopped);
    if (written != Written::kYes) return end_of_output(written);
  }
  return exit_of_stop();
}

std::string describe_module(const std::string& name, const std::filesystem::path& folder) {
  const std::string head = "{\"name\": " + json_string(name);
  const Result<Backend> backend = open_backend(name, folder);
  if (!backend) {
    return head + ", \"code\": " + json_string(to_string(backend.error().code)) +
           ", \"error\": " + json_string(backend.error().message) + ", \"hint\": " + json_string(backend.error().hint) + "}";
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
  std::optional<StatusFile> status;
  if (!arguments.status.empty()) {
    Result<StatusFile> opened = StatusFile::open(arguments.status);
    if (!opened) return report(opened.error());
    status = *std::move(opened);
  }
  Result<Pipeline> pipeline = open_pipeline(arguments);
  if (!pipeline) return is_stopped() ? exit_of_stop() : report(pipeline.error());

  const int code = play(*pipeline, arguments, status);
  if (!status) return code;
  const Status finished = status->finish();
  return finished || code != 0 ? code : report(finished.error());
}

int tell_health(const Arguments& arguments) {
  const Result<RunStatus> status = check_health(arguments.status, arguments.healthy, uptime_us());
  if (!status) return report(status.error());
  const Written written = write_line(to_json(*status), is_stopped);
  return written == Written::kYes ? 0 : end_of_output(written);
}

int list_modules(const Arguments& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::filesystem::path folder = module_folder(arguments);
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return report({Code::kNotFound, folder.string() + ": no such folder", "--backends DIR says where the modules are"});
  }
  std::string modules;
  for (const std::string& name : list_backends(folder)) {
    std::string module = describe_module(name, folder);
    if (arguments.as_document) {
      modules += (modules.empty() ? "" : ", ") + module;
      continue;
    }
    const Written written = write_line(std::move(module), is_stopped);
    if (written != Written::kYes) return end_of_output(written);
  }
  if (!arguments.as_document) return 0;
  const std::string head = "{\"schema\": \"edgecore.backends/1\", \"folder\": " + json_string(folder.string());
  const Written written = write_line(head + ", \"backends\": [" + modules + "]}", is_stopped);
  return written == Written::kYes ? 0 : end_of_output(written);
}

}  // namespace edgecore::app
