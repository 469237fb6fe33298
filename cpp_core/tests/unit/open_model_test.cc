// What open_model() asks of a file before the vendor's loader gets it, on the fake modules: "fake" survives bad
// models, "frail" does not, and then a child process meets them first.
#include <doctest/doctest.h>

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edgecore/pipeline.h"
#include "fake_modules.h"
#include "scratch.h"
#include "sha256.h"
#include "trial.h"

extern char** environ;

namespace edgecore {
namespace {

namespace fs = std::filesystem;
using test::fake_modules;

fs::path trial_program() { return find_trial_program(fake_modules()); }

/// An emulated program's children are emulated only where the kernel knows the emulator.
bool can_start_programs() {
  const std::string program = trial_program();
  char* const argv[] = {const_cast<char*>(program.c_str()), const_cast<char*>("--version"), nullptr};
  pid_t child = 0;
  int status = 0;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int failure = posix_spawn(&child, program.c_str(), &files, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&files);
  if (failure != 0) return false;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

ModelDescription describe(const test::ScratchFolder& folder, const std::string& words, const std::string& sha256 = {}) {
  folder.write("model", words);
  const std::string key = sha256.empty() ? "" : "sha256: " + sha256 + "\n";
  const auto description = load_model_description(folder.write(
      "model.yaml",
      "model: model\n" + key + "input: {width_px: 4, height_px: 4}\nhead: {kind: yolov8}\nlabels: [thing]\n"));
  REQUIRE_MESSAGE(description.ok(), description.error().message);
  return *description;
}

std::string sum_of(const std::string& bytes) {
  Sha256 sha;
  sha.update(bytes.data(), bytes.size());
  return sha.finish();
}

Result<Engine> open(const ModelDescription& description, const std::string& backend) {
  return open_model(description, backend, {}, fake_modules());
}

/// The error behind the model's path.
std::string problem_of(const Result<Engine>& engine, const ModelDescription& description, Code code) {
  REQUIRE_FALSE(engine.ok());
  CHECK(engine.error().code == code);
  const std::string start = description.file.string() + ": ";
  REQUIRE(engine.error().message.substr(0, start.size()) == start);
  return engine.error().message.substr(start.size());
}

TEST_CASE("a file that is not there comes before everything else that is wrong with it") {
  const test::ScratchFolder folder;
  const ModelDescription description = describe(folder, "queue", sum_of("other"));
  fs::remove(description.file);
  CHECK(problem_of(open(description, "frail"), description, Code::kNotFound) == "no such model file");
}

TEST_CASE("a file of another sha256 is refused before the backend sees it") {
  const test::ScratchFolder folder;
  for (const char* words : {"queue", "headless", "queue crashes"}) {
    const ModelDescription description = describe(folder, words, sum_of("queue as it was"));
    CHECK(problem_of(open(description, "fake"), description, Code::kCorrupt) ==
          "sha256: expected " + sum_of("queue as it was") + ", found " + sum_of(words));
  }
}

TEST_CASE("the backend's own validator comes before the trial and the loader, vouched for or not") {
  const test::ScratchFolder folder;
  for (const std::string& sha256 : {std::string(), sum_of("queue headless exits")}) {
    const ModelDescription description = describe(folder, "queue headless exits", sha256);
    CHECK(problem_of(open(description, "frail"), description, Code::kCorrupt) == "expected a header, found none");
  }
}

TEST_CASE("a file that is vouched for opens without a trial, which this one would not pass") {
  const test::ScratchFolder folder;
  const std::string words = "queue crashes-in-run";
  CHECK(open(describe(folder, words, sum_of(words)), "frail").ok());
}

TEST_CASE("without the trial's program nothing is tried, and nothing opened in silence") {
  const test::ScratchFolder folder;
  EngineRequest request;
  request.model = folder.write("model", "queue");
  const Status untried = try_model("/nonexistent/edgecore-try", fake_modules() / "libedgecore-frail.so", request, 1000);
  REQUIRE_FALSE(untried.ok());
  CHECK(untried.error().code == Code::kNotFound);
  CHECK(untried.error().message.find("there is no /nonexistent/edgecore-try") != std::string::npos);
  CHECK(untried.error().hint.find("`sha256`") != std::string::npos);
}

TEST_CASE("a module that survives bad models gets them without a trial") {
  const test::ScratchFolder folder;
  const ModelDescription description = describe(folder, "broken");
  CHECK(problem_of(open(description, "fake"), description, Code::kCorrupt) == "quoted from the model: \xEF\xBF\xBD!");
}

TEST_CASE("a loader that ends the process ends a child of ours, and we say how") {
  const struct {
    const char* words;
    const char* told;
  } rows[] = {{"queue exits", "ended it with exit status 0"},
              {"queue exits-3", "ended it with exit status 3"},
              {"queue crashes", "ended it with signal 11 ("},
              {"queue crashes-in-run", "ended it with signal 11 ("}};
  const bool can_start = can_start_programs();
  for (const auto& row : rows) {
    CAPTURE(row.words);
    const test::ScratchFolder folder;
    const ModelDescription description = describe(folder, row.words);
    const Result<Engine> engine = open(description, "frail");
    REQUIRE_FALSE(engine.ok());
    CHECK_FALSE(engine.error().hint.empty());
    if (!can_start) continue;
    const std::string told = std::string("loading it in a process of its own ") + row.told;
    CHECK(problem_of(engine, description, Code::kCorrupt).find(told) == 0);
  }
}

TEST_CASE("a loader that hangs is given up after the limit") {
  const test::ScratchFolder folder;
  EngineRequest request;
  request.model = folder.write("model", "queue hangs");
  const Status tried = try_model(trial_program(), fake_modules() / "libedgecore-frail.so", request, 300);
  REQUIRE_FALSE(tried.ok());
  if (!can_start_programs()) return;
  CHECK(tried.error().code == Code::kCorrupt);
  CHECK(tried.error().message.find("did not end within 300 ms") != std::string::npos);
}

TEST_CASE("a trial is broken off when the caller is stopped") {
  if (!can_start_programs()) return;
  const test::ScratchFolder folder;
  int asked = 0;
  EngineRequest request;
  request.model = folder.write("model", "queue hangs");
  request.is_stopped = [&] { return ++asked == 3; };
  const Status tried = try_model(trial_program(), fake_modules() / "libedgecore-frail.so", request, 60'000);
  REQUIRE_FALSE(tried.ok());
  CHECK(tried.error().message.find("which was broken off") != std::string::npos);
  CHECK(asked == 3);
}

volatile std::sig_atomic_t stopped = 0;

TEST_CASE("a signal that ends the trial and stops the caller says nothing of the model") {
  if (!can_start_programs()) return;
  const test::ScratchFolder folder;
  EngineRequest request;
  request.model = folder.write("model", "queue is-interrupted");
  request.is_stopped = [] { return stopped != 0; };
  std::signal(SIGCHLD, [](int) { stopped = 1; });  // no sooner than the child has ended
  const Status tried = try_model(trial_program(), fake_modules() / "libedgecore-frail.so", request, 60'000);
  std::signal(SIGCHLD, SIG_DFL);
  REQUIRE_FALSE(tried.ok());
  CHECK(tried.error().message.find("which was broken off") != std::string::npos);
  request.is_stopped = nullptr;
  const Status alone = try_model(trial_program(), fake_modules() / "libedgecore-frail.so", request, 60'000);
  REQUIRE_FALSE(alone.ok());
  CHECK(alone.error().code == Code::kCorrupt);
  CHECK(alone.error().message.find("ended it with signal 2 (") != std::string::npos);
}

TEST_CASE("the module's own refusal comes out of the trial as it would without one") {
  if (!can_start_programs()) return;
  const test::ScratchFolder folder;
  const ModelDescription description = describe(folder, "broken");
  CHECK(problem_of(open(description, "frail"), description, Code::kCorrupt) == "quoted from the model: \xEF\xBF\xBD!");
  EngineRequest request;
  request.options = {{"colour", "dark red"}};
  CHECK(problem_of(open_model(describe(folder, "queue"), "frail", request, fake_modules()), description,
                   Code::kInvalidArgument) == "no option named 'colour'");
}

TEST_CASE("a good file is tried, and opens") {
  if (!can_start_programs()) return;
  const test::ScratchFolder folder;
  const Result<Engine> engine = open(describe(folder, "queue"), "frail");
  REQUIRE_MESSAGE(engine.ok(), engine.error().message);
  CHECK(engine->depth() == 3);
}

TEST_CASE("a caller who ignores the end of its children still gets the answer") {
  if (!can_start_programs()) return;
  const test::ScratchFolder folder;
  std::signal(SIGCHLD, SIG_IGN);
  const bool good = open(describe(folder, "queue"), "frail").ok();
  const ModelDescription crashing = describe(folder, "queue crashes");
  const Result<Engine> bad = open(crashing, "frail");
  std::signal(SIGCHLD, SIG_DFL);
  CHECK(good);
  CHECK(problem_of(bad, crashing, Code::kCorrupt).find("loading it in a process of its own ended it") == 0);
}

TEST_CASE("a program that is none cannot be started, and says so") {
  const test::ScratchFolder folder;
  EngineRequest request;
  request.model = folder.write("model", "queue");
  const Status tried = try_model(folder.write("edgecore-try", "text"), "/no/module.so", request, 1000);
  REQUIRE_FALSE(tried.ok());
  CHECK(tried.error().code == Code::kUnsupported);
  CHECK(tried.error().message.find("cannot be started: ") != std::string::npos);
}

TEST_CASE("large files get more time") {
  const test::ScratchFolder folder;
  const fs::path file = folder.write("model", "");
  CHECK(trial_limit_ms(file) == 60'000);
  fs::resize_file(file, 100'000'000);  // a hole: takes no room
  CHECK(trial_limit_ms(file) == 300'000);
}

}  // namespace
}  // namespace edgecore
