// The runner's standard output where it was started without one: in a child, whose descriptors are its own.
#include "output.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <filesystem>
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

}  // namespace
}  // namespace edgecore::app
