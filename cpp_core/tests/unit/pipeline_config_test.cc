#include <doctest/doctest.h>

#include <string>

#include "edgecore/pipeline.h"
#include "scratch.h"

using namespace edgecore;

namespace {

Result<PipelineConfig> load(const test::ScratchFolder& folder, const std::string& yaml) {
  return load_pipeline_config(folder.write("pipeline.yaml", yaml));
}

/// The error without the folder it names.
std::string refused(const std::string& yaml) {
  const test::ScratchFolder folder;
  const auto config = load(folder, yaml);
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().code == Code::kInvalidArgument);
  const std::string& message = config.error().message;
  const std::size_t file = message.find("pipeline.yaml");
  REQUIRE(file != std::string::npos);
  return message.substr(file);
}

}  // namespace

TEST_CASE("a short pipeline: paths lie beside the file, the rest has defaults") {
  const test::ScratchFolder folder;
  const auto config = load(folder, "source: {uri: clip.mp4}\nmodel: models/face.yaml\n");
  REQUIRE(config.ok());
  CHECK(config->source.uri == (folder.path() / "clip.mp4").string());
  CHECK(config->model == folder.path() / "models" / "face.yaml");
  CHECK(config->backend == "cpu");
  CHECK(config->annotate.empty());
  CHECK_FALSE(config->digests);
  CHECK(config->engine.threads == 1);
  CHECK(config->in_flight == 0);
  CHECK(config->source.decoder.empty());
  CHECK(config->source.frames.empty());
  CHECK(config->source.limit == 0);
  CHECK_FALSE(config->source.loop);
}

TEST_CASE("a full pipeline: every key arrives") {
  const test::ScratchFolder folder;
  const auto config = load(
      folder,
      "source: {uri: 'rtsp://camera/1', frames: [0, 30, 31], limit: 2, threads: 3, decoder: acme}\n"
      "model: /models/face.yaml\n"
      "backend: acme\n"
      "engine: {device: 1, threads: 2, in_flight: 3, options: {precision: fp16}}\n"
      "annotate: ../seen\n"
      "digests: true\n");
  REQUIRE(config.ok());
  CHECK(config->source.uri == "rtsp://camera/1");
  CHECK(config->source.frames == std::vector<std::int64_t>{0, 30, 31});
  CHECK(config->source.limit == 2);
  CHECK(config->source.threads == 3);
  CHECK(config->model == "/models/face.yaml");
  CHECK(config->backend == "acme");
  CHECK(config->engine.device == 1);
  CHECK(config->engine.threads == 2);
  CHECK(config->in_flight == 3);
  CHECK(config->source.decoder == "acme");
  CHECK(config->engine.options == Options{{"precision", "fp16"}});
  CHECK(config->annotate == folder.path().parent_path() / "seen");
  CHECK(config->digests);
}

TEST_CASE("what a person mistypes is named with its line") {
  CHECK(refused("source: {uri: a.mp4}\n").find("model: missing") != std::string::npos);
  CHECK(refused("model: m.yaml\n").find("source.uri: missing") != std::string::npos);
  CHECK(refused("source: {uri: ''}\nmodel: m.yaml\n").find("source.uri: expected a path") != std::string::npos);
  CHECK(refused("source: {uri: a.mp4}\nmodel: m.yaml\nbackand: cpu\n").find("backand") != std::string::npos);
  CHECK(refused("source: {uri: a.mp4}\nmodel: m.yaml\ndigests: yes\n").find("3: digests: expected true or false") !=
        std::string::npos);
  CHECK(refused("source: {uri: a.mp4, limit: -1}\nmodel: m.yaml\n").find("source.limit") != std::string::npos);
  CHECK(refused("source: {uri: a.mp4}\nmodel: m.yaml\nengine: {threads: many}\n").find("engine.threads") !=
        std::string::npos);
  for (const char* in_flight : {"0", "17"}) {
    CHECK(refused(std::string("source: {uri: a.mp4}\nmodel: m.yaml\nengine: {in_flight: ") + in_flight + "}\n")
              .find("engine.in_flight") != std::string::npos);
  }
}

TEST_CASE("frames are rising and start at 0 or later") {
  for (const char* frames : {"[3, 3]", "[5, 4]", "[-1, 4]"}) {
    const std::string yaml = std::string("source: {uri: a.mp4, frames: ") + frames + "}\nmodel: m.yaml\n";
    CHECK(refused(yaml).find("source.frames: expected rising frame numbers") != std::string::npos);
  }
}

TEST_CASE("a loop has no chosen frames and is no stream") {
  const test::ScratchFolder folder;
  const auto config = load(folder, "source: {uri: a.mp4, loop: true, limit: 9}\nmodel: m.yaml\n");
  REQUIRE(config.ok());
  CHECK(config->source.loop);
  CHECK(config->source.limit == 9);
  CHECK(refused("source: {uri: a.mp4, loop: true, frames: [1]}\nmodel: m.yaml\n") ==
        "pipeline.yaml:1: source.loop: does not go with source.frames");
  CHECK(refused("source: {uri: 'rtsp://camera/1', loop: true}\nmodel: m.yaml\n") ==
        "pipeline.yaml:1: source.loop: a stream has no end to start again from");
}

TEST_CASE("several sources: each its own keys, paths beside the file, in the file's order") {
  const test::ScratchFolder folder;
  const auto config = load(folder,
                           "sources:\n"
                           "  till-2: {uri: 'rtsp://camera/2', limit: 5}\n"
                           "  door: {uri: clip.mp4, loop: true}\n"
                           "model: m.yaml\n"
                           "engine: {batch: 4, batch_wait_ms: 7}\n");
  REQUIRE(config.ok());
  REQUIRE(config->sources.size() == 2);
  CHECK(config->sources[0].name == "till-2");
  CHECK(config->sources[0].request.uri == "rtsp://camera/2");
  CHECK(config->sources[0].request.limit == 5);
  CHECK(config->sources[1].name == "door");
  CHECK(config->sources[1].request.uri == (folder.path() / "clip.mp4").string());
  CHECK(config->sources[1].request.loop);
  CHECK(config->source.uri.empty());
  CHECK(config->batch == 4);
  CHECK(config->batch_wait == std::chrono::milliseconds(7));
}

TEST_CASE("what is wrong with several sources is named") {
  const std::string model = "\nmodel: m.yaml\n";
  CHECK(refused("source: {uri: a.mp4}\nsources: {b: {uri: b.mp4}}" + model) ==
        "pipeline.yaml:2: sources: does not go with `source`");
  CHECK(refused("sources: {}" + model) == "pipeline.yaml:1: sources: expected 1 to 64 sources, found 0");
  CHECK(refused("sources: [a.mp4]" + model).find("sources: expected 'key: value' lines, found a list") !=
        std::string::npos);
  CHECK(refused("sources: {a: {url: a.mp4}}" + model) == "pipeline.yaml:1: sources.a.url: unknown key");
  CHECK(refused("sources: {a: {limit: 3}}" + model) == "pipeline.yaml:1: sources.a.uri: missing");
  CHECK(refused("sources: {a: a.mp4}" + model).find("sources.a: expected 'key: value' lines") != std::string::npos);
  CHECK(refused("sources: {a: {uri: a.mp4, frames: [2, 1]}}" + model).find("sources.a.frames: expected rising") !=
        std::string::npos);
  for (const char* name : {"../up", ".hidden", "'a b'", "a/b", "'\\'"}) {
    CHECK(refused(std::string("sources: {") + name + ": {uri: a.mp4}}" + model).find("is no name of a stream") !=
          std::string::npos);
  }
  for (const char* key : {"batch: 4", "batch_wait_ms: 5"}) {
    CHECK(refused("source: {uri: a.mp4}" + model + "engine: {" + key + "}\n").find("is for several sources") !=
          std::string::npos);
  }
  for (const char* key : {"batch: 0", "batch: 257", "batch_wait_ms: -1", "batch_wait_ms: 10001"}) {
    CHECK(refused("sources: {a: {uri: a.mp4}}" + model + "engine: {" + key + "}\n").find("engine.batch") !=
          std::string::npos);
  }
}

TEST_CASE("a pipeline file that is not there") {
  const test::ScratchFolder folder;
  const auto config = load_pipeline_config(folder.path() / "nonesuch.yaml");
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().code == Code::kNotFound);
}
