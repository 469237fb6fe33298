#include "output.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <unistd.h>

namespace edgecore::app {
namespace {

constexpr int kLookEveryMs = 200;  // whether to stop, where a reader takes nothing

int results = STDOUT_FILENO;

}  // namespace

void keep_standard_output() noexcept {
  // Close-on-exec: a program that a vendor's library starts must not keep our reader waiting for the end.
  results = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);  // -1: there is none, which the first write tells
  // One of the three that is closed would be the number of the next file that is opened, which is then printed into.
  int filler = 0;
  do filler = open("/dev/null", O_RDWR);
  while (filler >= 0 && filler <= STDERR_FILENO);
  if (filler >= 0) close(filler);
  dup2(STDERR_FILENO, STDOUT_FILENO);
}

Written write_line(std::string line, bool (*is_stopped)() noexcept) {
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t count = write(results, rest.data(), rest.size());
    if (count >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EPIPE) {
      return Written::kNobodyReads;
    } else if (errno == EAGAIN) {  // somebody who shares the open file made it non-blocking
      pollfd writable{results, POLLOUT, 0};
      poll(&writable, 1, kLookEveryMs);
      if (is_stopped()) return Written::kInterrupted;
    } else if (errno != EINTR) {
      return Written::kFailed;
    } else if (is_stopped()) {
      return Written::kInterrupted;
    }
  }
  return Written::kYes;
}

}  // namespace edgecore::app
