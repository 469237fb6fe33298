#include "arguments.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace edgecore;
using namespace edgecore::app;

namespace {

using Words = std::vector<std::string>;

std::string refused(const Words& words) {
  const Result<Arguments> arguments = parse_arguments(words);
  REQUIRE_FALSE(arguments.ok());
  CHECK(arguments.error().code == Code::kInvalidArgument);
  return arguments.error().message;
}

}  // namespace

TEST_CASE("run: every option arrives, written either way") {
  const Result<Arguments> arguments =
      parse_arguments({"run", "--quiet", "--limit=3", "p.yaml", "--status", "run/status.json", "--source", "rtsp://a/b",
                       "--annotate=seen", "--backends", "lib"});
  REQUIRE(arguments.ok());
  CHECK(arguments->command == Command::kRun);
  CHECK(arguments->pipeline == "p.yaml");
  CHECK(arguments->limit == 3);
  CHECK(arguments->status == "run/status.json");
  CHECK(arguments->source == "rtsp://a/b");
  CHECK(arguments->annotate == "seen");
  CHECK(arguments->backends == "lib");
  CHECK(arguments->quiet);
}

TEST_CASE("a short run: nothing is written but frames") {
  const Result<Arguments> arguments = parse_arguments({"run", "p.yaml"});
  REQUIRE(arguments.ok());
  CHECK(arguments->status.empty());
  CHECK_FALSE(arguments->quiet);
  CHECK_FALSE(arguments->limit);
}

TEST_CASE("health: one frame within ten seconds unless asked otherwise") {
  const Result<Arguments> plain = parse_arguments({"health", "status.json"});
  REQUIRE(plain.ok());
  CHECK(plain->command == Command::kHealth);
  CHECK(plain->status == "status.json");
  CHECK(plain->healthy.frames == 1);
  CHECK(plain->healthy.within_s == 10);
  const Result<Arguments> strict = parse_arguments({"health", "--frames", "100", "status.json", "--within=3"});
  REQUIRE(strict.ok());
  CHECK(strict->healthy.frames == 100);
  CHECK(strict->healthy.within_s == 3);
}

TEST_CASE("backends: a line per module unless a document is asked for") {
  CHECK_FALSE(parse_arguments({"backends"})->as_document);
  const Result<Arguments> arguments = parse_arguments({"backends", "--json", "--backends=lib"});
  REQUIRE(arguments.ok());
  CHECK(arguments->command == Command::kBackends);
  CHECK(arguments->as_document);
  CHECK(arguments->backends == "lib");
}

TEST_CASE("what a command does not know is refused with what it expects") {
  CHECK(refused({}) == "expected a command");
  CHECK(refused({"helth"}) == "no command named 'helth'");
  CHECK(refused({"run"}) == "run: expected the path of a pipeline.yaml");
  CHECK(refused({"run", "a.yaml", "b.yaml"}) == "did not expect 'b.yaml'");
  CHECK(refused({"run", "a.yaml", "--quiet=yes"}) == "--quiet: takes no value");
  CHECK(refused({"run", "a.yaml", "--status"}) == "--status: expected a value after it");
  CHECK(refused({"run", "a.yaml", "--within", "3"}) == "no option named '--within' here");
  CHECK(refused({"health"}) == "health: expected the file that `run --status FILE` writes");
  CHECK(refused({"health", "s.json", "--quiet"}) == "no option named '--quiet' here");
  CHECK(refused({"backends", "--json=yes"}) == "--json: takes no value");
  CHECK(refused({"run", "a.yaml", "--json"}) == "no option named '--json' here");
  CHECK(refused({"backends", "s.json"}) == "did not expect 's.json'");
  for (const char* count : {"0", "-1", "1.5", "ten", "", "99999999999999999999"}) {
    CHECK(refused({"health", "s.json", "--within", count}) ==
          std::string("--within: expected a whole number from 1, found '") + count + "'");
  }
}
