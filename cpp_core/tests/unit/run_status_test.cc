#include "run_status.h"

#include <doctest/doctest.h>

#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "files.h"
#include "scratch.h"

using namespace edgecore;
using namespace edgecore::app;
using namespace edgecore::test;

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSecondUs = 1000000;
constexpr std::int64_t kNowUs = 5000 * kSecondUs;

/// A healthy run of this process, its last frame 2 s old.
RunStatus running() { return {getpid(), 250, 24.96F, 12, kNowUs - 2 * kSecondUs}; }

/// Why health refuses this text, without the folder it names. One line, as every refusal.
std::string refused(const std::string& text, const Expected& expected = {}) {
  const ScratchFolder folder;
  const auto status = check_health(folder.write("status.json", text), expected, kNowUs);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().hint.empty());
  const std::string& message = status.error().message;
  CHECK(message.find('\n') == std::string::npos);
  const std::size_t name = message.find("status.json");
  REQUIRE(name != std::string::npos);
  return message.substr(name);
}

std::string refused(const RunStatus& status, const Expected& expected = {}) {
  return refused(to_json(status) + "\n", expected);
}

/// The id of a process that has ended and been waited for.
std::int32_t ended_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  return child;
}

}  // namespace

TEST_CASE("a status is one line of JSON and comes back as it was") {
  const RunStatus status{7, 250, 24.96F, 12, 4998000000};
  const std::string line = to_json(status);
  CHECK(line == R"({"schema": "edgecore.status/1", "pid": 7, "frames": 250, "fps": 25.0, "detections": 12, )"
                R"("uptime_us": 4998000000})");
  const ScratchFolder folder;
  const Result<RunStatus> read = read_status(folder.write("status.json", line + "\n"));
  REQUIRE(read.ok());
  CHECK(to_json(*read) == line);
}

TEST_CASE("the file is renewed with the first frame, then once a second, and at the end") {
  const ScratchFolder folder;
  const fs::path file = folder.write("status.json", to_json(running()));
  Result<StatusFile> status = StatusFile::open(file);
  REQUIRE(status.ok());
  CHECK_FALSE(fs::exists(file));  // what a predecessor left is not ours
  CHECK(status->finish().ok());
  CHECK_FALSE(fs::exists(file));  // no frame, nothing to say

  const auto frames_after = [&](std::size_t detections, std::int64_t now_us) {
    REQUIRE(status->add_frame(detections, now_us).ok());
    const Result<RunStatus> now = read_status(file);
    REQUIRE(now.ok());
    return now->frames;
  };
  CHECK(frames_after(2, kNowUs) == 1);
  CHECK(frames_after(0, kNowUs + 400000) == 1);
  CHECK(frames_after(1, kNowUs + 999999) == 1);
  CHECK(frames_after(3, kNowUs + kSecondUs) == 4);
  CHECK(frames_after(0, kNowUs + kSecondUs + 250000) == 4);
  CHECK(frames_after(0, kNowUs + kSecondUs + 500000) == 4);
  REQUIRE(status->finish().ok());

  const Result<RunStatus> last = read_status(file);
  REQUIRE(last.ok());
  CHECK(last->pid == getpid());
  CHECK(last->frames == 6);
  CHECK(last->detections == 6);
  CHECK(last->fps == 4.0F);  // two frames in the half second since it was last written
  CHECK(last->uptime_us == kNowUs + kSecondUs + 500000);
  CHECK(names_in(folder.path()) == std::vector<std::string>{"status.json"});
}

TEST_CASE("the first status has no rate yet") {
  const ScratchFolder folder;
  Result<StatusFile> status = StatusFile::open(folder.path() / "status.json");
  REQUIRE(status.ok());
  REQUIRE(status->add_frame(0, kNowUs).ok());
  CHECK(read_status(folder.path() / "status.json")->fps == 0.0F);
}

TEST_CASE("only a file is replaced, and only where there is a folder for it") {
  const ScratchFolder folder;
  fs::create_symlink("/dev/null", folder.path() / "link");
  for (const fs::path& other : {folder.path(), folder.path() / "link", fs::path("/dev/null")}) {
    CAPTURE(other.string());
    const Result<StatusFile> refused_file = StatusFile::open(other);
    REQUIRE_FALSE(refused_file.ok());
    CHECK(refused_file.error().code == Code::kInvalidArgument);
    CHECK(fs::exists(other));
  }
  const Result<StatusFile> nowhere = StatusFile::open(folder.path() / "none" / "status.json");
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.error().code == Code::kNotFound);
  CHECK(nowhere.error().message == (folder.path() / "none").string() + ": no such folder");
}

TEST_CASE("a status that can no longer be written is an error") {
  const ScratchFolder folder;
  fs::create_directory(folder.path() / "run");
  Result<StatusFile> status = StatusFile::open(folder.path() / "run" / "status.json");
  REQUIRE(status.ok());
  fs::remove(folder.path() / "run");
  const Status written = status->add_frame(0, kNowUs);
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().message.find("status.json") != std::string::npos);
  CHECK(written.error().message.find("cannot write the status: No such file or directory") != std::string::npos);
}

TEST_CASE("healthy: enough frames, the last one young enough, the process alive") {
  const ScratchFolder folder;
  const fs::path file = folder.write("status.json", to_json(running()) + "\n");
  CHECK(check_health(file, {}, kNowUs).ok());
  CHECK(check_health(file, {250, 3}, kNowUs).ok());
  CHECK(refused(running(), {251, 10}) == "status.json: expected at least 251 frames, found 250");
  CHECK(refused(running(), {1, 2}) ==
        "status.json: expected a frame within the last 2 s, found the last one 2.0 s ago");
}

TEST_CASE("a process that has ended, and a status from before the machine started, are not healthy") {
  RunStatus status = running();
  status.pid = ended_process();
  CHECK(refused(status) ==
        "status.json: expected a running process, found that process " + std::to_string(status.pid) + " has ended");
  status = running();
  status.uptime_us = kNowUs + 1;
  CHECK(refused(status) == "status.json: expected a status of now, found one from before this machine started");
}

TEST_CASE("a status that is missing, cut off or something else is refused in one line") {
  const ScratchFolder folder;
  const auto missing = check_health(folder.path() / "status.json", {}, kNowUs);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message.find("found no such file") != std::string::npos);
  CHECK_FALSE(check_health(folder.path(), {}, kNowUs).ok());

  const std::string line = to_json(running());
  for (std::size_t size = 0; size < line.size(); ++size) refused(line.substr(0, size));
  for (const char* garbage : {"\n", "nonsense", "[1, 2]", "{}", "{{{{", "\"", "\xff\xfe", "null", "a: b"}) {
    CAPTURE(garbage);
    refused(garbage);
  }
  const auto with = [&](const std::string& old_text, const std::string& new_text) {
    std::string changed = line;
    const std::size_t at = changed.find(old_text);
    REQUIRE(at != std::string::npos);
    return refused(changed.replace(at, old_text.size(), new_text));
  };
  CHECK(with("status/1", "status/2").find("schema: expected edgecore.status/1, found 'edgecore.status/2'") !=
        std::string::npos);
  with("\"pid\": ", "\"pid\": -");
  with("\"frames\": 250", "\"frames\": 0");
  with("\"frames\": 250", "\"frames\": 9999999999999999999999");
  with("\"frames\": 250", "\"frames\": null");
  with("\"frames\": 250, ", "");
  with("\"fps\": 25.0", "\"fps\": nan");
  with("}", "}}");
}

TEST_CASE("the clock goes on") {
  const std::int64_t earlier = uptime_us();
  CHECK(earlier > 0);
  CHECK(uptime_us() >= earlier);
}
