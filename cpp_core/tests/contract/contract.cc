#include "contract.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <dlfcn.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>

namespace edgecore::contract {
namespace {

Places& stored_places() {
  static Places places;
  return places;
}

}  // namespace

void set_places(Places places) { stored_places() = std::move(places); }
const Places& places() { return stored_places(); }

std::vector<std::string> backends() {
  const std::vector<std::string> names = list_backends(places().modules);
  REQUIRE_MESSAGE(!names.empty(), "no libedgecore-*.so in ", places().modules.string());
  for (const std::string& name : places().only) {
    REQUIRE_MESSAGE(std::find(names.begin(), names.end(), name) != names.end(), "no libedgecore-", name, ".so in ",
                    places().modules.string());
  }
  return places().only.empty() ? names : places().only;
}

std::vector<std::string> split_names(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream rest(list);
  for (std::string name; std::getline(rest, name, ',');) {
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

std::filesystem::path module_file(const std::string& backend) {
  return std::filesystem::absolute(places().modules / ("libedgecore-" + backend + ".so"));
}

void* open_library(const std::string& backend) {
  void* library = dlopen(module_file(backend).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) FAIL(dlerror());
  return library;
}

abi::EntryPoint entry_point(const std::string& backend) {
  void* symbol = dlsym(open_library(backend), abi::kEntryPointName);
  REQUIRE(symbol != nullptr);
  return reinterpret_cast<abi::EntryPoint>(symbol);
}

std::filesystem::path affine_model(const std::string& backend) {
  const std::filesystem::path folder = places().fixtures / backend / "tests";
  std::error_code error;
  for (std::filesystem::directory_iterator file(folder, error), end; !error && file != end; file.increment(error)) {
    if (file->path().stem() == "affine") return file->path();
  }
  return {};
}

bool has_model(const std::string& backend) { return !affine_model(backend).empty(); }

std::vector<std::string> engine_backends() {
  std::vector<std::string> names = backends();
  names.erase(std::remove_if(names.begin(), names.end(), [](const std::string& name) { return !has_model(name); }),
              names.end());
  return names;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> garbage() {
  std::string noise(4096, '\0');
  std::uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
  return {"", "not a model\n", std::string(64, '\0'), noise};
}

ModelFile::ModelFile(const std::string& bytes) {
  std::string name = (std::filesystem::temp_directory_path() / "edgecore-contract-XXXXXX").string();
  const int file = mkstemp(name.data());
  REQUIRE(file >= 0);
  close(file);
  path_ = name;
  std::ofstream(path_, std::ios::binary) << bytes;
}

ModelFile::~ModelFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Answer open_raw(const std::string& backend, const std::filesystem::path& model, const std::vector<abi::Option>& options) {
  abi::Error error;
  abi::Backend* opened = entry_point(backend)(abi::kVersion, &error);
  REQUIRE_MESSAGE(opened != nullptr, error.text);

  abi::EngineSpec spec;
  spec.model_path = model.c_str();
  spec.options = options.data();
  spec.option_count = options.size();
  abi::Engine* engine = nullptr;
  Answer answer;
  answer.code = opened->open_engine(spec, &engine, &error);
  answer.text = error.text;
  answer.gave_engine = engine != nullptr;
  if (engine != nullptr) engine->release();
  return answer;
}

}  // namespace edgecore::contract
