#include "output.h"

#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

namespace edgecore::app {
namespace {

int results = STDOUT_FILENO;

}  // namespace

void keep_standard_output() noexcept {
  // Close-on-exec: a program that a vendor's library starts must not keep our reader waiting for the end.
  const int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (kept < 0) return;  // there is none, which the first write will tell
  results = kept;
  if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) return;
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);  // started without a standard error
  if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);
}

Written write_line(std::string line, bool (*is_stopped)() noexcept) {
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t count = write(results, rest.data(), rest.size());
    if (count >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EPIPE) {
      return Written::kNobodyReads;
    } else if (errno != EINTR) {
      return Written::kFailed;
    } else if (is_stopped()) {
      return Written::kInterrupted;
    }
  }
  return Written::kYes;
}

}  // namespace edgecore::app
