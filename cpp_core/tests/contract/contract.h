// Where the suite finds modules and models, and which of them it asks: given on the command line, the same for all.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "edgecore/abi.h"
#include "edgecore/backend.h"

namespace edgecore::contract {

struct Places {
  std::filesystem::path modules;
  std::filesystem::path fixtures;
  std::vector<std::string> only;  // empty: every module there is
};
void set_places(Places places);
const Places& places();

/// Names of the modules under test; the suite fails when there is none, and when a named one is not there.
std::vector<std::string> backends();

/// Those of them that run models, which bring one. The others decode alone: one test of their own asks them.
std::vector<std::string> engine_backends();
bool has_model(const std::string& backend);

/// "cpu,acme" -> {"cpu", "acme"}
std::vector<std::string> split_names(const std::string& list);

std::filesystem::path module_file(const std::string& backend);  // absolute
void* open_library(const std::string& backend);                 // dlopen, never closed
abi::EntryPoint entry_point(const std::string& backend);

/// FIXTURES/NAME/tests/affine.*; empty: there is none.
std::filesystem::path affine_model(const std::string& backend);

/// A temporary model file with the given bytes, removed with the object.
class ModelFile {
 public:
  explicit ModelFile(const std::string& bytes);
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;
  ~ModelFile();
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::filesystem::path& path);

/// Bytes that are no model of anybody's: none, text, zeros, noise.
std::vector<std::string> garbage();

/// What the module answers below the core, whose own checks are then out of the way.
struct Answer {
  abi::Code code = abi::Code::kInternal;
  std::string text;
  bool gave_engine = false;
};
Answer open_raw(const std::string& backend, const std::filesystem::path& model,
                const std::vector<abi::Option>& options = {});

}  // namespace edgecore::contract
