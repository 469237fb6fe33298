// The runner's standard output where it was started without one: in a child, whose descriptors are its own.
#include "output.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "scratch.h"

namespace edgecore::app {
namespace {

/// Exit status of a child that closes `closed`, opens `file` and then tells a result: 0 if the file is none of the
/// standard descriptors and the result has nowhere to go.
int status_without(const std::vector<int>& closed, const std::filesystem::path& file) {
  const pid_t child = fork();
  if (child == 0) {
    for (const int descriptor : closed) close(descriptor);
    keep_standard_output();
    const int opened = open(file.c_str(), O_RDWR | O_CREAT, 0600);
    const Written written = write_line("{}", []() noexcept { return false; });
    if (write(STDOUT_FILENO, " ", 1) != 1 || write(STDERR_FILENO, " ", 1) != 1) _exit(3);  // as vendors' libraries do
    if (opened <= STDERR_FILENO) _exit(2);
    _exit(written == Written::kFailed ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("started without standard descriptors, the runner prints into none of the files that it opens") {
  const test::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "file";
  for (const std::vector<int>& closed : {std::vector<int>{STDOUT_FILENO}, {STDOUT_FILENO, STDERR_FILENO}, {0, 1, 2}}) {
    CAPTURE(closed.size());
    CHECK(status_without(closed, file) == 0);
    CHECK(std::filesystem::file_size(file) == 0);
  }
}

TEST_CASE("a line goes whole into a pipe that somebody made non-blocking, unless the run is stopped") {
  const std::string line(1 << 20, 'x');  // far more than a pipe holds
  for (const bool is_read : {true, false}) {
    CAPTURE(is_read);
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      dup2(ends[1], STDOUT_FILENO);
      close(ends[1]);
      keep_standard_output();
      const auto goes_on = []() noexcept { return false; };
      const auto stops = []() noexcept { return true; };
      _exit(static_cast<int>(is_read ? write_line(line, goes_on) : write_line(line, stops)));
    }
    close(ends[1]);
    std::size_t total = 0;
    std::vector<char> bytes(1 << 16);
    int status = -1;
    if (is_read) usleep(50'000);  // the pipe is full before it is read
    if (!is_read) waitpid(child, &status, 0);
    for (ssize_t count; (count = read(ends[0], bytes.data(), bytes.size())) > 0;) {
      total += static_cast<std::size_t>(count);
    }
    if (is_read) waitpid(child, &status, 0);
    close(ends[0]);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == static_cast<int>(is_read ? Written::kYes : Written::kInterrupted));
    CHECK((total == line.size() + 1) == is_read);
  }
}

}  // namespace
}  // namespace edgecore::app
