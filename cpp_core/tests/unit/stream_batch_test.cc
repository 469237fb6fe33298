// Frames of several streams in one run.
#include "edgecore/streams.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "stream_scene.h"

namespace edgecore {
namespace {

using namespace std::chrono_literals;
using test::Played;
using test::Scene;
using test::kFirstLevel;
using test::numbers;
using test::play;

TEST_CASE("a picture whose input cannot be made ends its stream alone, even amid a batch") {
  Scene scene("any-batch", {6, 6});
  scene.set(0, 2, "4x4 13");  // cannot be brought to the host
  scene.config().batch = 4;
  Streams streams = scene.open();
  const Played played = play(streams, 2);
  CHECK(played.error == "");
  CHECK(played.told[0] == "0 1 !frame 2: copy to the host: download refused ");
  CHECK(played.told[1] == numbers(6));
}

TEST_CASE("batches hold none of a decoder's pictures, of which there may be few") {
  Scene scene("any-batch counting", {20, 1});
  for (int at = 0; at < 20; ++at) scene.set(0, at, "4x4 " + std::to_string(kFirstLevel + at) + " few");
  scene.config().batch = 8;
  scene.config().in_flight = 3;
  Streams streams = scene.open();
  std::vector<FrameResult> kept;
  while (true) {
    Result<std::optional<StreamResult>> next = streams.next();
    REQUIRE_MESSAGE(next.ok(), next.error().message);
    if (!next->has_value()) break;
    REQUIRE_MESSAGE((*next)->result.ok(), (*next)->result.error().message);
    kept.push_back(*std::move((*next)->result));
  }
  CHECK(kept.size() == 21);
  std::uint64_t downloads = 0;
  for (const FrameResult& result : kept) {
    CHECK(result.frame.place == Place::kHost);
    downloads += result.copies.value().to_host;
  }
  CHECK(downloads == 21);
}

TEST_CASE("a batch waits for its full size, and not for streams that have ended") {
  for (const std::int32_t in_flight : {1, 3}) {
    CAPTURE(in_flight);
    Scene scene("any-batch", {5, 5, 5, 6});
    scene.config().in_flight = in_flight;
    scene.config().batch = 4;
    scene.config().batch_wait = 10s;  // the test would time out if the last run waited for it
    const auto before = std::chrono::steady_clock::now();
    Streams streams = scene.open();
    CHECK(play(streams, 4).by_width == std::map<long, int>{{4, 20}, {1, 1}});
    CHECK(std::chrono::steady_clock::now() - before < 9s);
  }
}

TEST_CASE("results of a run do not wait for the batch behind it to fill") {
  Scene scene("any-batch", {3, 3, 3, 1});
  const std::filesystem::path silent = std::filesystem::path(scene.config().sources[3].request.uri) / "0000.jpg";
  std::filesystem::remove(silent);
  REQUIRE(mkfifo(silent.c_str(), 0600) == 0);
  scene.config().in_flight = 3;
  scene.config().batch = 4;
  scene.config().batch_wait = 10s;
  Streams streams = scene.open();
  std::this_thread::sleep_for(100ms);  // each of the three has two pictures waiting: one run, and half of another
  const auto before = std::chrono::steady_clock::now();
  for (int at = 0; at < 4; ++at) CHECK(streams.next().ok());
  CHECK(std::chrono::steady_clock::now() - before < 9s);
  close(open(silent.c_str(), O_WRONLY));  // waits for the reader, and is its end
}

TEST_CASE("a batch that nobody else joins starts when its time is over: as it is, or filled up where it is fixed") {
  Scene free("any-batch", {1, 1}), fixed("batch-4", {5});
  std::filesystem::remove_all(free.config().sources[1].request.uri);
  for (Scene* scene : {&free, &fixed}) scene->config().batch_wait = 1ms;
  free.config().batch = 4;
  Streams one = free.open(), other = fixed.open();
  CHECK(play(one, 2).by_width == std::map<long, int>{{1, 1}});
  CHECK(play(other, 1).by_width == std::map<long, int>{{4, 5}});
}

TEST_CASE("a batch is the model's, or the user's where the model leaves it free") {
  const struct {
    const char* words;
    std::int32_t batch;
    const char* told;
  } rows[] = {
      {"any-batch", 0, ""},
      {"any-batch", 16, ""},
      {"batch-4", 4, ""},
      {"", 1, ""},
      {"batch-4", 3, "engine.batch: the model's input is 4x3x4x4, and runs of 3 were asked for"},
      {"", 2, "engine.batch: the model's input is 1x3x4x4, and runs of 2 were asked for"},
      {"any-batch one-output", 4, "engine.batch: output 'y' is 1x5x1, the model's input ?x3x4x4"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.words);
    CAPTURE(row.batch);
    Scene scene(row.words, {1});
    scene.config().batch = row.batch;
    const Result<Streams> streams = scene.try_open();
    CHECK((streams.ok() ? "" : streams.error().message) == row.told);
  }
}

TEST_CASE("an output without the batch that it announced is an error, not read beyond its end") {
  Scene scene("any-batch one-row", {4});
  scene.config().batch = 4;
  scene.config().batch_wait = 10s;
  Streams streams = scene.open();
  CHECK(play(streams, 1).error == "an output is 1x5x1 for a batch of 4");
}

TEST_CASE("a model of a fixed batch is for streams, and several sources are no single pipeline") {
  Scene scene("batch-4", {1});
  PipelineConfig config = scene.config();
  CHECK(Pipeline::open(config, test::fake_modules()).error().message.find("sources: ") == 0);
  config.source = config.sources.front().request;
  config.sources.clear();
  const Result<Pipeline> pipeline = Pipeline::open(config, test::fake_modules());
  REQUIRE_FALSE(pipeline.ok());
  CHECK(pipeline.error().message.find("describes float32 1x3x4x4, but the model's 'x' is float32 4x3x4x4") !=
        std::string::npos);
  CHECK(Streams::open(config, test::fake_modules()).error().message == "sources: expected at least one");
}

}  // namespace
}  // namespace edgecore
