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
#include "edgecore/streams.h"
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

void override_source(SourceRequest& source, const Arguments& arguments) {
  if (arguments.limit) source.limit = *arguments.limit;
}

Result<PipelineConfig> load_config(const Arguments& arguments) {
  Result<PipelineConfig> config = load_pipeline_config(arguments.pipeline);
  if (!config) return config;
  if (arguments.source && !config->sources.empty()) {
    return Error{Code::kInvalidArgument, "--source: the pipeline names several sources, and one would take their place",
                 "change them in " + arguments.pipeline.string()};
  }
  if (arguments.source) config->source.uri = *arguments.source;
  if (arguments.annotate) config->annotate = *arguments.annotate;
  override_source(config->source, arguments);
  for (NamedSource& source : config->sources) override_source(source.request, arguments);
  config->source.is_stopped = is_stopped;
  return config;
}

/// A frame's line, and what the status says of it. nullopt: go on; else the exit code.
std::optional<int> tell(const FrameResult& frame, const std::vector<std::string>& labels, const std::string& stream,
                        const Arguments& arguments, std::optional<StatusFile>& status) {
  if (status) {
    if (Status noted = status->add_frame(frame.detections.size(), uptime_us()); !noted) return report(noted.error());
  }
  if (arguments.quiet) return std::nullopt;
  const Written written = write_line(to_json(frame, labels, stream), is_stopped);
  return written == Written::kYes ? std::nullopt : std::optional<int>(end_of_output(written));
}

/// Frame after frame; the exit code when there is no further one.
int play(Pipeline& pipeline, const Arguments& arguments, std::optional<StatusFile>& status) {
  while (!is_stopped()) {
    const Result<std::optional<FrameResult>> result = pipeline.next();
    if (!result) return is_stopped() ? exit_of_stop() : report(result.error());
    if (!result->has_value()) return 0;
    if (const auto end = tell(**result, pipeline.model().labels, {}, arguments, status)) return *end;
  }
  return exit_of_stop();
}

/// On one line, so that what several streams say does not mix.
int report_end(const std::string& stream, const Error& error) {
  const std::string hint = error.hint.empty() ? "" : " (" + error.hint + ")";
  std::fprintf(stderr, "error: stream '%s': %s%s\n", stream.c_str(), error.message.c_str(), hint.c_str());
  return exit_code(error.code);
}

/// As long as one stream goes on. A stream that ends with an error makes its code ours, the first one's, at the end.
int play(Streams& streams, const PipelineConfig& config, const Arguments& arguments, std::optional<StatusFile>& status) {
  int code = 0;
  while (!is_stopped()) {
    const Result<std::optional<StreamResult>> next = streams.next();
    if (!next) return is_stopped() ? exit_of_stop() : report(next.error());
    if (!next->has_value()) return is_stopped() ? exit_of_stop() : code;
    const std::string& name = config.sources[(*next)->stream].name;
    const Result<FrameResult>& result = (*next)->result;
    if (result) {
      if (const auto end = tell(*result, streams.model().labels, name, arguments, status)) return *end;
    } else if (!is_stopped()) {
      const int failure = report_end(name, result.error());
      if (code == 0) code = failure;
    }
  }
  return exit_of_stop();
}

template <typename Opened, typename Play>
int play_opened(Result<Opened> opened, const Play& play_it) {
  if (!opened) return is_stopped() ? exit_of_stop() : report(opened.error());
  return play_it(*opened);
}

int open_and_play(const Arguments& arguments, std::optional<StatusFile>& status) {
  const Result<PipelineConfig> config = load_config(arguments);
  if (!config) return report(config.error());
  const std::filesystem::path modules = module_folder(arguments);
  if (config->sources.empty()) {
    return play_opened(Pipeline::open(*config, modules),
                       [&](Pipeline& pipeline) { return play(pipeline, arguments, status); });
  }
  return play_opened(Streams::open(*config, modules),
                     [&](Streams& streams) { return play(streams, *config, arguments, status); });
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
  const int code = open_and_play(arguments, status);
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
