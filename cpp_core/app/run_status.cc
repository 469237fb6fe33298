#include "run_status.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "json.h"
#include "yaml.h"

namespace edgecore::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSchema = "edgecore.status/1";
constexpr std::int64_t kSecondUs = 1000000;

Error cannot_write(const fs::path& file, const std::string& why) {
  return {Code::kInternal, file.string() + ": cannot write the status: " + why, ""};
}

Status write_text(const fs::path& file, const std::string& text) {
  std::FILE* const stream = std::fopen(file.c_str(), "we");
  if (stream == nullptr) return cannot_write(file, std::strerror(errno));
  const bool written = std::fputs(text.c_str(), stream) >= 0 && std::fflush(stream) == 0;
  const int problem = errno;
  std::fclose(stream);
  if (written) return {};
  return cannot_write(file, std::strerror(problem));
}

std::string tenths(std::int64_t time_us) {
  return json_number(static_cast<float>(static_cast<double>(time_us) / 1e6), 1);
}

}  // namespace

std::string to_json(const RunStatus& status) {
  return "{\"schema\": " + json_string(kSchema) + ", \"pid\": " + std::to_string(status.pid) +
         ", \"frames\": " + std::to_string(status.frames) + ", \"fps\": " + json_number(status.fps, 1) +
         ", \"detections\": " + std::to_string(status.detections) +
         ", \"uptime_us\": " + std::to_string(status.uptime_us) + "}";
}

Result<RunStatus> read_status(const fs::path& file) {
  Result<yaml::Document> document = yaml::Document::load(file);  // JSON of one line is YAML as well
  if (!document) return document.error();

  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  RunStatus status;
  std::string schema;
  yaml::Map root = document->root();
  root.require("schema", schema);
  if (schema != kSchema) root.refuse("schema", std::string("expected ") + kSchema + ", found '" + schema + "'");
  root.require("pid", status.pid, 1, std::numeric_limits<std::int32_t>::max());
  root.require("frames", status.frames, std::int64_t{1}, kMost);
  root.require("fps", status.fps, 0.0F, std::numeric_limits<float>::max());
  root.require("detections", status.detections, std::int64_t{0}, kMost);
  root.require("uptime_us", status.uptime_us, std::int64_t{0}, kMost);
  if (Status whole = document->finish(); !whole) return whole.error();
  return status;
}

std::int64_t uptime_us() noexcept {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * kSecondUs + now.tv_nsec / 1000;
}

StatusFile::StatusFile(fs::path file) : file_(std::move(file)) { status_.pid = getpid(); }

Result<StatusFile> StatusFile::open(fs::path file) {
  std::error_code problem;
  const fs::file_status there = fs::symlink_status(file, problem);
  // A device, a link or a folder is not ours to replace: --status /dev/null would take it from everybody.
  if (fs::exists(there) && !fs::is_regular_file(there)) {
    return Error{Code::kInvalidArgument, file.string() + ": expected a file to replace, found something else",
                 "--status names a file that only the runner writes"};
  }
  const fs::path folder = fs::absolute(file, problem).parent_path();
  if (!fs::is_directory(folder, problem)) {
    return Error{Code::kNotFound, folder.string() + ": no such folder", "the status file goes there"};
  }
  fs::remove(file, problem);
  if (problem) return cannot_write(file, problem.message());
  return StatusFile(std::move(file));
}

Status StatusFile::add_frame(std::size_t detections, std::int64_t now_us) {
  ++status_.frames;
  status_.detections += static_cast<std::int64_t>(detections);
  status_.uptime_us = now_us;
  const bool is_due = written_.frames == 0 || now_us - written_.uptime_us >= kSecondUs;
  return is_due ? write() : Status();
}

Status StatusFile::finish() { return status_.frames == written_.frames ? Status() : write(); }

Status StatusFile::write() {
  if (written_.frames > 0 && status_.uptime_us > written_.uptime_us) {
    const auto frames = static_cast<double>(status_.frames - written_.frames);
    status_.fps = static_cast<float>(frames * 1e6 / static_cast<double>(status_.uptime_us - written_.uptime_us));
  }
  fs::path beside = file_;
  beside += ".tmp";
  if (Status done = write_text(beside, to_json(status_) + "\n"); !done) return done;
  std::error_code problem;
  fs::rename(beside, file_, problem);
  if (problem) return cannot_write(file_, problem.message());
  written_ = status_;
  return {};
}

Result<RunStatus> check_health(const fs::path& file, const Expected& expected, std::int64_t now_us) {
  const auto refuse = [&](const std::string& problem) {
    return Error{Code::kInternal, file.string() + ": " + problem, ""};
  };
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return refuse("expected the status of a running pipeline, found no such file");
  const Result<RunStatus> status = read_status(file);
  if (!status) return Error{Code::kInternal, status.error().message + " (expected one whole status of a runner)", ""};

  const std::int64_t age_us = now_us - status->uptime_us;
  if (age_us < 0) return refuse("expected a status of now, found one from before this machine started");
  if (kill(status->pid, 0) != 0 && errno == ESRCH) {
    return refuse("expected a running process, found that process " + std::to_string(status->pid) + " has ended");
  }
  if (age_us / kSecondUs >= expected.within_s) {
    return refuse("expected a frame within the last " + std::to_string(expected.within_s) + " s, found the last one " +
                  tenths(age_us) + " s ago");
  }
  if (status->frames < expected.frames) {
    return refuse("expected at least " + std::to_string(expected.frames) + " frames, found " +
                  std::to_string(status->frames));
  }
  return status;
}

}  // namespace edgecore::app
