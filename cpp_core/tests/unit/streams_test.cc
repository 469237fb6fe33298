// Several streams through one engine, on the fake module: its score says which picture a result is of, and the box's
// width how many inputs the run had.
#include "edgecore/streams.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <string>
#include <thread>

#include "fake_modules.h"
#include "scratch.h"

namespace edgecore {
namespace {

using namespace std::chrono_literals;

constexpr int kFirstLevel = 70;  // scores below 0.25 are dropped
constexpr int kLevels = 30;      // between the first pictures of two streams

std::string name_of(int stream) { return "s" + std::to_string(stream); }

/// Folders of pictures, one for each stream: as many as its number in `counts` says.
class Scene {
 public:
  Scene(const std::string& words, const std::vector<int>& counts) {
    folder_.write("model", "queue " + words);
    folder_.write("model.yaml",
                  "model: model\ninput: {width_px: 4, height_px: 4, scale: 0.00390625}\nhead: {kind: yolov8}\n"
                  "labels: [thing]\n");
    for (int stream = 0; stream < static_cast<int>(counts.size()); ++stream) {
      std::filesystem::create_directory(folder_.path() / name_of(stream));
      NamedSource& source = config_.sources.emplace_back(NamedSource{name_of(stream), {}});
      source.request.uri = (folder_.path() / source.name).string();
      source.request.decoder = "fake";
      const int count = counts[static_cast<std::size_t>(stream)];
      for (int at = 0; at < count; ++at) set(stream, at, "4x4 " + std::to_string(kFirstLevel + kLevels * stream + at));
    }
    config_.model = folder_.path() / "model.yaml";
    config_.backend = "fake";
  }

  void set(int stream, int at, const std::string& unit) {
    const std::string number = std::to_string(at);
    folder_.write(name_of(stream) + "/" + std::string(4 - number.size(), '0') + number + ".jpg", unit);
  }
  PipelineConfig& config() { return config_; }

  Result<Streams> try_open() { return Streams::open(config_, test::fake_modules()); }
  Streams open() {
    Result<Streams> streams = try_open();
    REQUIRE_MESSAGE(streams.ok(), streams.error().message);
    return *std::move(streams);
  }

 private:
  test::ScratchFolder folder_;
  PipelineConfig config_;
};

struct Played {
  std::vector<std::string> told;             // by stream: "0 1 2 " or "0 !message "
  std::vector<std::size_t> order;            // of the results
  std::map<long, int> by_width;              // results of runs with so many rows
  std::string error;                         // the engine's
};

/// A result that is not of its own stream and picture is told as a lie.
Played play(Streams& streams, std::size_t count) {
  Played played{std::vector<std::string>(count), {}, {}, {}};
  while (true) {
    Result<std::optional<StreamResult>> next = streams.next();
    if (!next) {
      played.error = next.error().message;
      return played;
    }
    if (!next->has_value()) return played;
    const StreamResult& got = **next;
    std::string& told = played.told[got.stream];
    played.order.push_back(got.stream);
    if (!got.result) {
      told += "!" + got.result.error().message + " ";
      continue;
    }
    REQUIRE(got.result->detections.size() == 1);
    const Detection& box = got.result->detections.front();
    const std::int64_t index = got.result->frame.index;
    const auto level = kFirstLevel + kLevels * static_cast<std::int64_t>(got.stream) + index;
    told += (std::lround(box.score * 256) == level ? "" : "lie-") + std::to_string(index) + " ";
    ++played.by_width[std::lround(box.box[2] - box.box[0])];
  }
}

std::string numbers(int count) {
  std::string all;
  for (int at = 0; at < count; ++at) all += std::to_string(at) + " ";
  return all;
}

TEST_CASE("every stream gets its own results in its own order, however the engine is shared") {
  for (const char* words : {"", "device", "any-batch", "batch-4"}) {
    for (const std::int32_t in_flight : {0, 1, 3}) {
      CAPTURE(words);
      CAPTURE(in_flight);
      Scene scene(words, {7, 1, 12, 4, 25});
      scene.config().in_flight = in_flight;
      scene.config().batch = std::string(words) == "any-batch" ? 3 : 0;
      Streams streams = scene.open();
      const Played played = play(streams, 5);
      CHECK(played.error == "");
      CHECK(played.told == std::vector<std::string>{numbers(7), numbers(1), numbers(12), numbers(4), numbers(25)});
      CHECK_FALSE(streams.next()->has_value());
    }
  }
}

TEST_CASE("a stream that breaks ends with its error, behind its results, and the others go on") {
  for (const char* words : {"", "any-batch", "device"}) {
    for (const std::int32_t in_flight : {1, 3}) {
      CAPTURE(words);
      CAPTURE(in_flight);
      Scene scene(words, {6, 6, 6, 6});
      scene.set(1, 3, "nonsense");                             // no picture
      scene.config().sources[2].request.uri += "-is-missing";  // no source
      scene.config().in_flight = in_flight;
      scene.config().batch = std::string(words) == "any-batch" ? 4 : 0;
      Streams streams = scene.open();
      const Played played = play(streams, 4);
      CHECK(played.error == "");
      CHECK(played.told[0] == numbers(6));
      CHECK(played.told[1].find("0 1 2 !") == 0);
      CHECK(played.told[1].find("0003.jpg: decoder: not a picture ") == played.told[1].size() - 33);
      CHECK(played.told[2].find("!") == 0);
      CHECK(played.told[2].find("-is-missing: no such file") != std::string::npos);
      CHECK(played.told[3] == numbers(6));
    }
  }
}

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

TEST_CASE("an engine that fails is everybody's error") {
  Scene scene("any-batch fails-at-2", {4, 4});
  scene.config().batch = 2;
  scene.config().batch_wait = 10s;
  Streams streams = scene.open();
  const Played played = play(streams, 2);
  CHECK(played.error.find("inference: wait 2 failed") != std::string::npos);
  CHECK(played.order.size() == 2);
}

TEST_CASE("an engine's error comes behind the results of the runs before it, and is the end") {
  Scene scene("refuses-3", {4});
  scene.config().in_flight = 3;
  Streams streams = scene.open();
  const Played played = play(streams, 1);
  CHECK(played.told[0] == "0 1 ");
  CHECK(played.error == "frame 2: inference: submit 3 refused");
  CHECK(streams.next().error().message == played.error);
}

TEST_CASE("a run that fails is the end, with others open behind it") {
  Scene scene("fails-at-2", {25, 25, 25});
  scene.config().in_flight = 3;
  Streams streams = scene.open();
  std::this_thread::sleep_for(100ms);  // pictures enough for three runs
  const Played played = play(streams, 3);
  CHECK(played.order.size() == 1);
  CHECK(played.error == "frame 0: inference: wait 2 failed");
  for (int again = 0; again < 3; ++again) {
    const Result<std::optional<StreamResult>> next = streams.next();
    REQUIRE_FALSE(next.ok());
    CHECK(next.error().message == played.error);
  }
}

TEST_CASE("a stream's error is told before that of the engine, which refuses the rest of its batch") {
  Scene scene("any-batch refuses-1", {1, 1});
  scene.set(1, 0, "nonsense");
  scene.config().batch = 2;
  scene.config().batch_wait = 10s;
  Streams streams = scene.open();
  const Played played = play(streams, 2);
  CHECK(played.told[1].find("!") == 0);
  CHECK(played.error == "frame 0: inference: submit 1 refused");
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

TEST_CASE("a batch that nobody else joins starts when its time is over: as it is, or filled up where it is fixed") {
  Scene free("any-batch", {1, 1}), fixed("batch-4", {5});
  std::filesystem::remove_all(free.config().sources[1].request.uri);
  for (Scene* scene : {&free, &fixed}) scene->config().batch_wait = 1ms;
  free.config().batch = 4;
  Streams one = free.open(), other = fixed.open();
  CHECK(play(one, 2).by_width == std::map<long, int>{{1, 1}});
  CHECK(play(other, 1).by_width == std::map<long, int>{{4, 5}});
}

TEST_CASE("streams that all have pictures take turns") {
  Scene scene("", {25, 25, 25});
  scene.config().in_flight = 1;
  Streams streams = scene.open();
  std::vector<int> share(3);
  for (int at = 0; at < 36; ++at) {
    const Result<std::optional<StreamResult>> next = streams.next();
    REQUIRE(next.ok());
    REQUIRE(next->has_value());
    ++share[(*next)->stream];
    std::this_thread::sleep_for(5ms);  // the engine is the slow one
  }
  for (const int results : share) CHECK(results >= 6);  // 12 but for who starts late
}

TEST_CASE("streams that are dropped wait for their threads and for what is in flight") {
  for (int round = 0; round < 20; ++round) {
    Scene scene("any-batch", {25, 25, 25});
    scene.config().in_flight = 3;
    scene.config().batch = 2;
    Streams streams = scene.open();
    for (int at = 0; at < round % 4; ++at) CHECK(streams.next()->has_value());
  }
}

TEST_CASE("a run that is stopped ends behind what is in flight, whatever the streams still have") {
  std::atomic<bool> is_stopped{false};
  Scene scene("", {25});
  scene.config().sources.front().request.loop = true;
  scene.config().source.is_stopped = [&] { return is_stopped.load(); };
  scene.config().in_flight = 3;
  Streams streams = scene.open();
  CHECK(streams.next()->has_value());
  is_stopped = true;
  int rest = 0;
  do {
    std::this_thread::sleep_for(10ms);  // there is always another picture
  } while (streams.next()->has_value() && ++rest < 20);
  CHECK(rest <= 2);
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
