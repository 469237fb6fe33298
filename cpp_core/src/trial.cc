#include "trial.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <poll.h>
#include <spawn.h>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "own_object.h"
#include "utf8.h"

extern char** environ;

namespace edgecore {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxLineBytes = 4096;
constexpr int kLookEveryMs = 20;  // a child that dies is noticed after so long where something it left holds the pipe

constexpr char kHint[] =
    "it is damaged, or made for another device or release of the vendor's software; the `sha256` of a file that you "
    "trust, in the model's description, leaves this trial out";

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

struct Pipe {
  Descriptor read_end, write_end;
};

std::optional<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  // Away from kTrialFd: a descriptor that is copied onto itself stays close-on-exec.
  pipe.write_end = Descriptor(fcntl(ends[1], F_DUPFD_CLOEXEC, kTrialFd + 1));
  fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK);
  return pipe.write_end.get() < 0 ? std::nullopt : std::optional(std::move(pipe));
}

/// The child's stdin and stdout are /dev/null: a vendor's chatter is nobody's, and closed descriptors would be taken
/// by the next files that it opens. Its stderr is ours: a vendor's last words are worth reading.
/// Gives errno's value.
int spawn(const fs::path& program, const std::vector<std::string>& words, int pipe_fd, pid_t& child) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, pipe_fd, kTrialFd);
  // What the caller ignores or blocks is not for a vendor's library to inherit.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGCHLD}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int failure = posix_spawn(&child, program.c_str(), &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return failure;
}

/// How the child ended: what it told, else its wait status, else it was broken off or its time was up.
struct Ending {
  std::string line;
  std::optional<int> status;
  bool is_broken_off = false;
};

/// Appends what is there; true once the line is whole.
bool read_line(int fd, std::string& line) {
  char bytes[512];
  for (ssize_t count; line.size() < kMaxLineBytes && (count = read(fd, bytes, sizeof bytes)) > 0;) {
    line.append(bytes, static_cast<std::size_t>(count));
  }
  const std::size_t end = line.find('\n');
  if (end == std::string::npos) return false;
  line.resize(end);
  return true;
}

/// The wait status of a child that has ended. 0 for one that somebody else has waited for (SIGCHLD is ignored).
std::optional<int> ended(pid_t child, int options) {
  int status = 0;
  pid_t answer = 0;
  do answer = waitpid(child, &status, options);
  while (answer < 0 && errno == EINTR);
  if (answer == 0) return std::nullopt;
  return answer < 0 ? 0 : status;
}

Ending watch(pid_t child, int fd, std::int64_t limit_ms, const std::function<bool()>& is_stopped) {
  const auto limit = Clock::now() + std::chrono::milliseconds(limit_ms);
  Ending ending;
  while (Clock::now() < limit && !ending.is_broken_off) {
    pollfd readable{fd, POLLIN, 0};
    poll(&readable, 1, kLookEveryMs);
    ending.status = ended(child, WNOHANG);  // before the pipe is read, which then has all that it wrote
    const bool has_told = read_line(fd, ending.line);
    if (has_told && ending.status) return ending;
    if (has_told) break;
    ending.line.clear();
    // Asked of a child that has ended, too: a terminal and a service manager send the signal to both of us.
    ending.is_broken_off = is_stopped && is_stopped();
    if (ending.status) return ending;
    if ((readable.revents & POLLHUP) != 0) usleep(1000);  // it has closed the pipe and is about to end
  }
  kill(child, SIGKILL);  // whatever it may still do does not matter
  ended(child, 0);
  return ending;
}

/// POSIX lets posix_spawn tell a failed exec this way, and where vfork is a fork (an emulator's) it has no other.
bool is_not_started(const Ending& ending) {
  return ending.line.empty() && ending.status && WIFEXITED(*ending.status) && WEXITSTATUS(*ending.status) == 127;
}

std::string seconds(std::int64_t limit_ms) {
  return limit_ms % 1000 == 0 ? std::to_string(limit_ms / 1000) + " s" : std::to_string(limit_ms) + " ms";
}

Status judge(const Ending& ending, const fs::path& model, std::int64_t limit_ms) {
  const auto corrupt = [&](const std::string& what) {
    return Error{Code::kCorrupt, model.string() + ": loading it in a process of its own " + what, kHint};
  };
  if (!ending.line.empty()) {
    std::int32_t code = 0;
    const char* const end = ending.line.data() + ending.line.size();
    const auto [stop, failure] = std::from_chars(ending.line.data(), end, code);
    if (failure != std::errc()) return corrupt("gave no answer that makes sense");
    if (code == 0) return {};
    const std::string text = to_utf8({stop, static_cast<std::size_t>(end - stop)});
    return Error{static_cast<Code>(code), model.string() + ":" + text, {}};
  }
  if (!ending.status) return corrupt("did not end within " + seconds(limit_ms));
  if (WIFSIGNALED(*ending.status)) {
    const int signal = WTERMSIG(*ending.status);
    return corrupt("ended it with signal " + std::to_string(signal) + " (" + strsignal(signal) + ")");
  }
  return corrupt("ended it with exit status " + std::to_string(WEXITSTATUS(*ending.status)));
}

}  // namespace

fs::path find_trial_program(const fs::path& modules) {
  constexpr char kName[] = "edgecore-try";
  std::error_code ignored;
  if (const fs::path beside = modules / kName; fs::exists(beside, ignored)) return beside;
  return installed_modules() / kName;
}

std::int64_t trial_limit_ms(const fs::path& model) {
  constexpr std::uintmax_t kLargeBytes = 100'000'000;
  std::error_code failure;
  const std::uintmax_t size_bytes = fs::file_size(model, failure);
  return !failure && size_bytes >= kLargeBytes ? 300'000 : 60'000;
}

Status try_model(const fs::path& program, const fs::path& module, const EngineRequest& request, std::int64_t limit_ms) {
  const std::string purpose = request.model.string() + ": has to be loaded in a process of its own first";
  std::error_code ignored;
  if (!fs::exists(program, ignored)) {
    return Error{Code::kNotFound, purpose + ", and there is no " + program.string(),
                 "install it beside the backend modules, or write the model's `sha256` into its description"};
  }
  std::vector<std::string> words{program, module, request.model, std::to_string(request.device),
                                 std::to_string(request.threads)};
  for (const auto& [key, value] : request.options) {
    words.push_back(key);
    words.push_back(value);
  }
  std::optional<Pipe> pipe = make_pipe();
  if (!pipe) return Error{Code::kInternal, purpose + ": pipe: " + std::strerror(errno), {}};
  const auto cannot_start = [&](const std::string& reason) {
    return Error{Code::kUnsupported, purpose + ", and " + program.string() + " cannot be started: " + reason,
                 "write the model's `sha256` into its description"};
  };
  pid_t child = 0;
  if (const int failure = spawn(program, words, pipe->write_end.get(), child); failure != 0) {
    return cannot_start(std::strerror(failure));
  }
  pipe->write_end = Descriptor();
  const Ending ending = watch(child, pipe->read_end.get(), limit_ms, request.is_stopped);
  if (ending.is_broken_off) return Error{Code::kNotFound, purpose + ", which was broken off", {}};
  if (is_not_started(ending)) return cannot_start("exit status 127");
  return judge(ending, request.model, limit_ms);
}

}  // namespace edgecore
