// Folders of pictures as streams, on the fake module: its score says which picture a result is of, and the box's
// width how many inputs the run had.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "edgecore/streams.h"
#include "fake_modules.h"
#include "scratch.h"

namespace edgecore::test {

inline constexpr int kFirstLevel = 70;  // scores below 0.25 are dropped
inline constexpr int kLevels = 30;      // between the first pictures of two streams

inline std::string name_of(int stream) { return "s" + std::to_string(stream); }

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

  Result<Streams> try_open() { return Streams::open(config_, fake_modules()); }
  Streams open() {
    Result<Streams> streams = try_open();
    REQUIRE_MESSAGE(streams.ok(), streams.error().message);
    return *std::move(streams);
  }

 private:
  ScratchFolder folder_;
  PipelineConfig config_;
};

struct Played {
  std::vector<std::string> told;             // by stream: "0 1 2 " or "0 !message "
  std::vector<std::size_t> order;            // of the results
  std::map<long, int> by_width;              // results of runs with so many rows
  std::string error;                         // the engine's
};

/// A result that is not of its own stream and picture is told as a lie.
inline Played play(Streams& streams, std::size_t count) {
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

inline std::string numbers(int count) {
  std::string all;
  for (int at = 0; at < count; ++at) all += std::to_string(at) + " ";
  return all;
}

}  // namespace edgecore::test
