#include <algorithm>
#include <functional>
#include <limits>
#include <system_error>

#include "edgecore/pipeline.h"
#include "yaml.h"

namespace edgecore {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t kMaxThreads = 1024;

bool has_scheme(const std::string& uri) { return uri.find("://") != std::string::npos; }

void read_source(yaml::Map source, SourceRequest& request) {
  source.require("uri", request.uri);
  if (request.uri.empty()) source.refuse("uri", "expected a path or an address, found nothing");
  source.read("frames", request.frames);
  source.read("limit", request.limit, std::int64_t{0}, std::numeric_limits<std::int64_t>::max());
  source.read("loop", request.loop);
  source.read("threads", request.threads, 1, kMaxThreads);
  source.read("decoder", request.decoder);
  const auto& frames = request.frames;
  const bool rising = std::adjacent_find(frames.begin(), frames.end(), std::greater_equal<>()) == frames.end();
  if (!rising || (!frames.empty() && frames.front() < 0)) {
    source.refuse("frames", "expected rising frame numbers from 0", "frames come in stream order, each once");
  }
  if (request.loop && !frames.empty()) {
    source.refuse("loop", "does not go with source.frames", "a chosen frame comes once; source.limit ends a loop");
  }
  if (request.loop && has_scheme(request.uri)) {
    source.refuse("loop", "a stream has no end to start again from", "loop is for files and folders");
  }
}

void read_engine(yaml::Map engine, EngineRequest& request, std::int32_t& in_flight) {
  engine.read("device", request.device, 0, std::numeric_limits<std::int32_t>::max());
  engine.read("threads", request.threads, 1, kMaxThreads);
  engine.read("options", request.options);
  engine.read("in_flight", in_flight, 1, kMaxDepth);
}

/// A relative path means: beside the file that says it.
void resolve(fs::path& path, const fs::path& folder) {
  if (!path.empty()) path = (folder / path).lexically_normal();
}

}  // namespace

Result<PipelineConfig> load_pipeline_config(const fs::path& path) {
  Result<yaml::Document> document = yaml::Document::load(path);
  if (!document) return document.error();

  PipelineConfig config;
  yaml::Map root = document->root();
  std::string model;
  std::string annotate;
  read_source(root.map("source"), config.source);
  root.require("model", model);
  root.read("backend", config.backend);
  read_engine(root.map("engine"), config.engine, config.in_flight);
  root.read("annotate", annotate);
  root.read("digests", config.digests);
  if (Status status = document->finish(); !status) return status.error();

  std::error_code ignored;
  const fs::path folder = fs::absolute(path, ignored).parent_path();
  config.model = model;
  config.annotate = annotate;
  resolve(config.model, folder);
  resolve(config.annotate, folder);
  if (!has_scheme(config.source.uri)) config.source.uri = (folder / config.source.uri).lexically_normal().string();
  return config;
}

}  // namespace edgecore
