// Batching across streams, on the fake module's echo: the second value of each row is the number of rows of the run.
#include "edgecore/batch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <thread>

#include "fake_modules.h"
#include "scratch.h"

namespace edgecore {
namespace {

using namespace std::chrono_literals;
using Row = std::array<float, 2>;

Engine open_echo(const std::string& words) {
  const test::ScratchFolder folder;
  EngineRequest request;
  request.model = folder.write("model", words);
  Result<Engine> engine = test::fake_backend("fake").open_engine(request);
  REQUIRE_MESSAGE(engine.ok(), engine.error().message);
  return *std::move(engine);
}

Batcher make(const std::string& words, std::int32_t most, std::chrono::microseconds deadline) {
  Result<Batcher> batcher = Batcher::make(open_echo(words), most, deadline);
  REQUIRE_MESSAGE(batcher.ok(), batcher.error().message);
  return *std::move(batcher);
}

TensorView view(const Row& row) { return {row.data(), DType::kFloat32, {1, 2}, Place::kHost}; }

/// What each of `streams` threads got, by stream: its own value back, and the size of the batch; -1 for an error.
std::vector<Row> run_streams(Batcher& batcher, std::size_t streams) {
  std::vector<Row> got(streams);
  std::vector<std::thread> threads;
  for (std::size_t stream = 0; stream < streams; ++stream) {
    threads.emplace_back([&, stream] {
      const Row in{static_cast<float>(stream), 0};
      const auto out = batcher.run(view(in));
      got[stream] = {-1, -1};
      if (!out.ok() || out->size() != 1 || out->front().shape() != Shape{1, 2}) return;
      std::copy_n(static_cast<const float*>(out->front().data()), 2, got[stream].begin());
    });
  }
  for (std::thread& thread : threads) thread.join();
  return got;
}

TEST_CASE("a full batch starts at once, and every stream gets its own back") {
  for (const char* words : {"batched", "batched-4"}) {
    Batcher batcher = make(words, std::string(words) == "batched" ? 4 : 0, 1h);
    REQUIRE(batcher.size() == 4);
    for (int round = 0; round < 20; ++round) {
      CHECK(run_streams(batcher, 4) == std::vector<Row>{{0, 4}, {1, 4}, {2, 4}, {3, 4}});
    }
  }
}

TEST_CASE("the deadline starts what there is: as it is where the model is free, filled up where it is not") {
  Batcher free = make("batched", 4, 1ms);
  CHECK(run_streams(free, 1) == std::vector<Row>{{0, 1}});
  Batcher fixed = make("batched-4", 0, 1ms);
  CHECK(run_streams(fixed, 1) == std::vector<Row>{{0, 4}});
}

TEST_CASE("more streams than a batch holds go into several") {
  Batcher batcher = make("batched", 4, 20ms);
  for (int round = 0; round < 20; ++round) {
    const std::vector<Row> got = run_streams(batcher, 10);
    float runs = 0;
    for (std::size_t stream = 0; stream < got.size(); ++stream) {
      CHECK(got[stream][0] == static_cast<float>(stream));
      CHECK(got[stream][1] >= 1);
      CHECK(got[stream][1] <= 4);
      runs += 1 / got[stream][1];
    }
    CHECK(runs >= doctest::Approx(3));  // 4 + 4 + 2 at best
  }
}

TEST_CASE("a run that fails fails for all who were in it") {
  Batcher batcher = make("batched-fails", 3, 1h);
  CHECK(run_streams(batcher, 3) == std::vector<Row>{{-1, -1}, {-1, -1}, {-1, -1}});
}

TEST_CASE("an input that does not fit is its stream's own affair") {
  Batcher batcher = make("batched", 2, 1h);
  const std::array<float, 4> data{};
  for (const Shape& shape : {Shape{2, 2}, Shape{1, 4}, Shape{2}}) {
    const auto refused = batcher.run({data.data(), DType::kFloat32, shape, Place::kHost});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::kInvalidArgument);
  }
  CHECK(batcher.run({data.data(), DType::kFloat32, {1, 2}, Place::kDevice}).error().code == Code::kUnsupported);
  CHECK(run_streams(batcher, 2) == std::vector<Row>{{0, 2}, {1, 2}});
}

TEST_CASE("a batch is the model's, or the caller's where the model leaves it free") {
  const struct {
    const char* words;
    std::int32_t most;
    bool is_fine;
  } rows[] = {{"batched", 0, false}, {"batched", -1, false}, {"batched", 5000, false}, {"batched-4", 3, false},
              {"batched-4", 4, true}, {"batched-4", 0, true}};
  for (const auto& row : rows) {
    CAPTURE(row.words);
    CAPTURE(row.most);
    const Result<Batcher> batcher = Batcher::make(open_echo(row.words), row.most, 1ms);
    CHECK(batcher.ok() == row.is_fine);
    if (!batcher) CHECK(batcher.error().code == Code::kInvalidArgument);
  }
  const Result<Batcher> fixed_at_one = Batcher::make(open_echo("queue"), 4, 1ms);
  REQUIRE_FALSE(fixed_at_one.ok());
  CHECK(fixed_at_one.error().message == "batching: the model's input is 1x3x4x4, and runs of 4 were asked for");
}

}  // namespace
}  // namespace edgecore
