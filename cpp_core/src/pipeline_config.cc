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
constexpr std::size_t kMaxSources = 64;  // each has a thread and a decoder
constexpr std::size_t kMaxNameLength = 64;
constexpr std::int32_t kMaxBatch = 256;  // far beyond what an edge accelerator gains from
constexpr std::int32_t kMaxWaitMs = 10000;

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

bool is_name(const std::string& name) {
  const auto suits = [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '-' || letter == '_' || letter == '.';
  };
  const bool is_short = !name.empty() && name.size() <= kMaxNameLength;
  return is_short && name.front() != '.' && std::all_of(name.begin(), name.end(), suits);
}

/// Exactly one of `source` and `sources`.
void read_sources(yaml::Map root, PipelineConfig& config) {
  if (!root.has("sources")) return read_source(root.map("source"), config.source);
  if (root.has("source")) {
    root.refuse("sources", "does not go with `source`", "give the one source a name among the others");
  }
  yaml::Map sources = root.map("sources");
  const std::vector<std::string> names = sources.keys();
  if (names.empty() || names.size() > kMaxSources) {
    root.refuse("sources", "expected 1 to " + std::to_string(kMaxSources) + " sources, found " +
                               std::to_string(names.size()), "each as `name: {uri: ...}`");
  }
  for (const std::string& name : names) {
    if (!is_name(name)) {
      sources.refuse(name, "is no name of a stream",
                     "letters, digits, '-', '_' and '.', not first a '.', at most 64: it is a folder's name, too");
    }
    read_source(sources.map(name), config.sources.emplace_back(NamedSource{name, {}}).request);
  }
}

void read_engine(yaml::Map engine, PipelineConfig& config) {
  engine.read("device", config.engine.device, 0, std::numeric_limits<std::int32_t>::max());
  engine.read("threads", config.engine.threads, 1, kMaxThreads);
  engine.read("options", config.engine.options);
  engine.read("in_flight", config.in_flight, 1, kMaxDepth);
  engine.read("batch", config.batch, 1, kMaxBatch);
  auto wait_ms = static_cast<std::int32_t>(config.batch_wait.count());
  engine.read("batch_wait_ms", wait_ms, 0, kMaxWaitMs);
  config.batch_wait = std::chrono::milliseconds(wait_ms);
  for (const char* key : {"batch", "batch_wait_ms"}) {
    if (engine.has(key) && config.sources.empty()) {
      engine.refuse(key, "is for several sources", "name them under `sources`; one may be alone there");
    }
  }
}

/// A relative path means: beside the file that says it.
void resolve(fs::path& path, const fs::path& folder) {
  if (!path.empty()) path = (folder / path).lexically_normal();
}

void resolve(std::string& uri, const fs::path& folder) {
  if (!uri.empty() && !has_scheme(uri)) uri = (folder / uri).lexically_normal().string();
}

}  // namespace

Result<PipelineConfig> load_pipeline_config(const fs::path& path) {
  Result<yaml::Document> document = yaml::Document::load(path);
  if (!document) return document.error();

  PipelineConfig config;
  yaml::Map root = document->root();
  std::string model;
  std::string annotate;
  read_sources(root, config);
  root.require("model", model);
  root.read("backend", config.backend);
  read_engine(root.map("engine"), config);
  root.read("annotate", annotate);
  root.read("digests", config.digests);
  if (Status status = document->finish(); !status) return status.error();

  std::error_code ignored;
  const fs::path folder = fs::absolute(path, ignored).parent_path();
  config.model = model;
  config.annotate = annotate;
  resolve(config.model, folder);
  resolve(config.annotate, folder);
  resolve(config.source.uri, folder);
  for (NamedSource& source : config.sources) resolve(source.request.uri, folder);
  return config;
}

}  // namespace edgecore
