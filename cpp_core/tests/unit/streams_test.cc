// Several streams through one engine.
#include "edgecore/streams.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "stream_scene.h"

namespace edgecore {
namespace {

using namespace std::chrono_literals;
using test::Played;
using test::Scene;
using test::numbers;
using test::play;

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
  CHECK(played.error.find("inference: wait 2 failed") != std::string::npos);
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

}  // namespace
}  // namespace edgecore
