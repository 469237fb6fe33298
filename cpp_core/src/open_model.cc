// From a description to an engine that may be trusted not to take the process down.
#include <string>
#include <utility>

#include "edgecore/pipeline.h"
#include "sha256.h"
#include "trial.h"

namespace edgecore {
namespace {

/// Before anything of a vendor's sees the file.
Status check_sha256(const ModelDescription& description) {
  const Result<std::string> found = sha256_of(description.file);
  if (!found) return found.error();
  if (*found == description.sha256) return {};
  return Error{Code::kCorrupt,
               description.file.string() + ": sha256: expected " + description.sha256 + ", found " + *found,
               "copy the model again, or correct sha256 in " + description.source.string()};
}

}  // namespace

Result<Engine> open_model(const ModelDescription& description, const std::string& name, EngineRequest request,
                          const std::filesystem::path& backends) {
  const Result<Backend> backend = open_backend(name, backends);
  if (!backend) return backend.error();
  request.model = description.file;
  const bool is_vouched_for = !description.sha256.empty();
  if (Status there = check_model_file(request.model); !there) return there.error();
  if (is_vouched_for) {
    if (Status same = check_sha256(description); !same) return same.error();
  }
  if (Status sound = backend->check_model(request.model); !sound) return sound.error();
  if (!is_vouched_for && !backend->survives_bad_models()) {
    const Status tried =
        try_model(find_trial_program(backends), backend->file(), request, trial_limit_ms(request.model));
    if (!tried) return tried.error();
  }
  Result<Engine> engine = backend->open_engine(request);
  if (!engine) return engine;
  if (Status status = check_against(description, *engine, request.may_batch); !status) return status.error();
  return engine;
}

}  // namespace edgecore
