// Frames in flight, preprocessing on the device and off it, copies: on the fake module, whose score is the input's
// first value and so says which frame a result belongs to.
#include "edgecore/pipeline.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "fake_modules.h"
#include "scratch.h"

namespace edgecore {
namespace {

/// Pictures of levels 100, 101, ... as the fake decoder takes them.
class Scene {
 public:
  explicit Scene(const std::string& words, int count = 5) {
    folder_.write("model", "queue " + words);
    std::filesystem::create_directory(folder_.path() / "pictures");
    for (int i = 0; i < count; ++i) set(i, "4x4 " + std::to_string(100 + i));
    folder_.write("model.yaml",
                  "model: model\ninput: {width_px: 4, height_px: 4, scale: 0.00390625}\nhead: {kind: yolov8}\n"
                  "labels: [thing]\n");
    config_.source.uri = (folder_.path() / "pictures").string();
    config_.source.decoder = "fake";
    config_.model = folder_.path() / "model.yaml";
    config_.backend = "fake";
  }

  void set(int index, const std::string& unit) { folder_.write("pictures/" + std::to_string(index) + ".jpg", unit); }
  void remove(int index) { std::filesystem::remove(folder_.path() / "pictures" / (std::to_string(index) + ".jpg")); }
  PipelineConfig& config() { return config_; }

  Result<Pipeline> try_open() { return Pipeline::open(config_, test::fake_modules()); }
  Pipeline open() {
    Result<Pipeline> pipeline = try_open();
    REQUIRE_MESSAGE(pipeline.ok(), pipeline.error().message);
    return *std::move(pipeline);
  }

 private:
  test::ScratchFolder folder_;
  PipelineConfig config_;
};

/// The level that the engine saw, or the error: "0:100 1:101 2!submit 3 refused 3:103 ".
std::string play(Pipeline& pipeline, std::vector<FrameResult>* results = nullptr) {
  std::string told;
  while (true) {
    Result<std::optional<FrameResult>> result = pipeline.next();
    if (!result) {
      told += "!" + result.error().message + " ";
      continue;
    }
    if (!result->has_value()) return told;
    REQUIRE((*result)->detections.size() == 1);
    const auto level = std::lround((*result)->detections.front().score * 256);
    told += std::to_string((*result)->frame.index) + ":" + std::to_string(level) + " ";
    if (results != nullptr) results->push_back(**result);
  }
}

TEST_CASE("results come in the source's order, each its own, however many frames are in flight") {
  for (const char* words : {"", "device"}) {
    for (const std::int32_t in_flight : {0, 1, 2, 3}) {
      CAPTURE(words);
      CAPTURE(in_flight);
      Scene scene(words);
      scene.config().in_flight = in_flight;
      Pipeline pipeline = scene.open();
      CHECK(play(pipeline) == "0:100 1:101 2:102 3:103 4:104 ");
      CHECK_FALSE(pipeline.next()->has_value());
    }
  }
}

TEST_CASE("an error is told in its frame's turn, and the frames behind it come") {
  const struct {
    const char* words;
    const char* told;
  } rows[] = {
      {"fails-at-2", "0:100 !frame 1: inference: wait 2 failed 2:102 3:103 4:104 "},
      {"refuses-3", "0:100 1:101 !frame 2: inference: submit 3 refused 3:103 4:104 "},
      {"device short", "!preprocessing of frame 0: the backend's shape and size do not agree "},
  };
  for (const auto& row : rows) {
    for (const std::int32_t in_flight : {1, 2, 3}) {
      CAPTURE(row.words);
      CAPTURE(in_flight);
      Scene scene(row.words);
      scene.config().in_flight = in_flight;
      Pipeline pipeline = scene.open();
      CHECK(play(pipeline).find(row.told) == 0);
    }
  }
}

TEST_CASE("a damaged picture does not outrun the results before it") {
  for (const std::int32_t in_flight : {1, 3}) {
    Scene scene("");
    scene.set(2, "nonsense");
    scene.config().in_flight = in_flight;
    Pipeline pipeline = scene.open();
    const std::string told = play(pipeline);
    CHECK(told.find("0:100 1:101 !") == 0);
    CHECK(told.find("2.jpg: decoder: not a picture 3:103 4:104 ") != std::string::npos);
  }
}

TEST_CASE("nothing is read ahead of an error") {
  Scene scene("");
  scene.set(1, "nonsense");
  scene.config().in_flight = 3;
  Pipeline pipeline = scene.open();
  CHECK(pipeline.next()->has_value());
  CHECK_FALSE(pipeline.next().ok());
  scene.remove(2);
  const Result<std::optional<FrameResult>> missing = pipeline.next();
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message.find("2.jpg: ") != std::string::npos);
}

TEST_CASE("a pipeline that is dropped with frames in flight waits for them") {
  Scene scene("device");
  scene.config().in_flight = 3;
  Pipeline pipeline = scene.open();
  CHECK(pipeline.next()->has_value());  // two are still in flight; the fake engine aborts if they are not waited for
}

TEST_CASE("more frames in flight than the engine can have are refused, and fewer than none") {
  for (const std::int32_t in_flight : {4, -1}) {
    CAPTURE(in_flight);
    Scene scene("");
    scene.config().in_flight = in_flight;
    const Result<Pipeline> pipeline = scene.try_open();
    REQUIRE_FALSE(pipeline.ok());
    CHECK(pipeline.error().code == Code::kInvalidArgument);
    CHECK(pipeline.error().message == "engine.in_flight: expected 1 to 3, which backend 'fake' can have with this model, "
                                      "found " + std::to_string(in_flight));
  }
}

TEST_CASE("copies are told by frame where there are any, and not where nobody counts") {
  std::vector<FrameResult> results;
  Scene scene("counting");
  Pipeline counting = scene.open();  // pictures come to the host for preprocessing, their tensors go back
  play(counting, &results);
  REQUIRE(results.size() == 5);
  CopyCounts sum;
  for (const FrameResult& result : results) {
    REQUIRE(result.copies.has_value());
    sum.to_device += result.copies->to_device;
    sum.to_device_bytes += result.copies->to_device_bytes;
    sum.to_host += result.copies->to_host;
    sum.to_host_bytes += result.copies->to_host_bytes;
  }
  CHECK(sum.to_device == 5);
  CHECK(sum.to_device_bytes == 5 * 192);
  CHECK(sum.to_host == 5);
  CHECK(sum.to_host_bytes == 5 * 16);
  CHECK(to_json(results.front(), {"thing"}).find(", \"copies\": {\"to_device\": ") != std::string::npos);

  results.clear();
  Scene shared("counting device");
  Pipeline zero_copy = shared.open();
  play(zero_copy, &results);
  REQUIRE(results.size() == 5);
  for (const FrameResult& result : results) CHECK_FALSE(result.copies.has_value());
  CHECK(to_json(results.front(), {"thing"}).find("copies") == std::string::npos);
}

TEST_CASE("an engine that leaves a kind of picture to the CPU is asked once for it") {
  std::vector<FrameResult> results;
  Scene scene("asked", 6);
  scene.set(3, "8x8 103");
  scene.set(4, "8x8 104");
  scene.config().in_flight = 1;
  Pipeline pipeline = scene.open();
  CHECK(play(pipeline, &results) == "0:100 1:101 2:102 3:103 4:104 5:105 ");
  std::uint64_t to_host = 0;
  for (const FrameResult& result : results) to_host += result.copies->to_host;
  CHECK(to_host == 6 + 2);  // six downloads; one question for each of the two sizes
}

TEST_CASE("digests: of the picture wherever it lies, of the tensor where the host can read it") {
  std::vector<FrameResult> on_cpu, on_device;
  Scene cpu(""), device("device");
  for (Scene* scene : {&cpu, &device}) scene->config().digests = true;
  Pipeline one = cpu.open(), other = device.open();
  play(one, &on_cpu);
  play(other, &on_device);
  REQUIRE(on_cpu.size() == on_device.size());
  for (std::size_t i = 0; i < on_cpu.size(); ++i) {
    CHECK(on_cpu[i].digests->frame == on_device[i].digests->frame);
    CHECK(on_cpu[i].digests->tensor.has_value());
    CHECK_FALSE(on_device[i].digests->tensor.has_value());
  }
  CHECK(on_cpu[0].digests->tensor != on_cpu[1].digests->tensor);
  CHECK(to_json(on_device.front(), {}).find("\"tensor\": null}") != std::string::npos);
}

TEST_CASE("a picture that cannot be digested is given back before the engine is told to read it") {
  std::vector<FrameResult> results;
  Scene scene("device asked", 2);
  scene.set(0, "4x4 13");  // cannot be brought to the host
  scene.config().digests = true;
  Pipeline pipeline = scene.open();
  CHECK(play(pipeline, &results) == "!frame 0: copy to the host: download refused 1:101 ");
  REQUIRE(results.size() == 1);
  CHECK(results.front().copies->to_host == 1 + 1);  // its own download; one question, of frame 1 alone
}

TEST_CASE("a decoder is one that there is") {
  Scene scene("");
  scene.config().source.decoder = "fkae";
  CHECK(scene.try_open().error().message.find("no backend named 'fkae'") != std::string::npos);
}

}  // namespace
}  // namespace edgecore
