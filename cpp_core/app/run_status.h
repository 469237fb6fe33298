// What a running pipeline says about itself in a file (`run --status`), and the check of it (`health`).
// Times are CLOCK_BOOTTIME: boxes without a battery clock set the wall clock while they run, and this one
// is the same for every process of the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "edgecore/status.h"

namespace edgecore::app {

struct RunStatus {
  std::int32_t pid = 0;
  std::int64_t frames = 0;      // since the start of the process
  float fps = 0;                // frames a second since the file was last written; 0 with the first frame
  std::int64_t detections = 0;  // of all frames
  std::int64_t uptime_us = 0;   // of the machine, when the last frame was done
};

/// {"schema": "edgecore.status/1", "pid", "frames", "fps", "detections", "uptime_us"}, without a line break.
std::string to_json(const RunStatus& status);

/// kInvalidArgument for anything but one whole status.
Result<RunStatus> read_status(const std::filesystem::path& file);

/// Microseconds since the machine started, time asleep included.
std::int64_t uptime_us() noexcept;

/// Keeps the file up to date: at the first frame, then at most once a second, and at the end. A reader sees
/// a whole status or none: each is written beside the file and renamed over it. Nothing is synced, since
/// what it says is worthless after a power cut.
class StatusFile {
 public:
  /// Takes away what an earlier process left. kInvalidArgument where `file` is no regular file.
  static Result<StatusFile> open(std::filesystem::path file);

  Status add_frame(std::size_t detections, std::int64_t now_us);
  Status finish();

 private:
  explicit StatusFile(std::filesystem::path file);
  Status write();

  std::filesystem::path file_;
  RunStatus status_;
  RunStatus written_;  // what the file says; frames == 0: there is none yet
};

struct Expected {
  std::int64_t frames = 1;
  std::int64_t within_s = 10;
};

/// The status, if it has at least so many frames, the last one is younger than within_s and its process lives.
Result<RunStatus> check_health(const std::filesystem::path& file, const Expected& expected, std::int64_t now_us);

}  // namespace edgecore::app
