#include "edgecore/backend.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <system_error>

#include "edgecore/decoder.h"
#include "module_text.h"
#include "own_object.h"
#include "suggest.h"

namespace edgecore {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "libedgecore-";
constexpr std::string_view kSuffix = ".so";

fs::path module_path(const std::string& name, const fs::path& directory) {
  return directory / (std::string(kPrefix) + name + std::string(kSuffix));
}

/// "cpu" from "libedgecore-cpu.so"; empty for any other file.
std::string module_name(const std::string& file) {
  const std::size_t affixes = kPrefix.size() + kSuffix.size();
  if (file.size() <= affixes || file.compare(0, kPrefix.size(), kPrefix) != 0) return {};
  if (file.compare(file.size() - kSuffix.size(), kSuffix.size(), kSuffix) != 0) return {};
  return file.substr(kPrefix.size(), file.size() - affixes);
}

Error no_such_backend(const std::string& name, const fs::path& directory) {
  const std::vector<std::string> known = list_backends(directory);
  const std::string nothing_there = "the folder holds no backend; EDGECORE_BACKENDS names another one";
  return {Code::kNotFound, directory.string() + ": no backend named '" + name + "'",
          known.empty() ? nothing_there : suggest(name, known)};
}

/// The module's entry object. The library stays open for the life of the process.
Result<abi::Backend*> load_module(const fs::path& path) {
  std::error_code ignored;
  // Absolute, because dlopen searches the system's folders for a name without a slash.
  void* library = dlopen(fs::absolute(path, ignored).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return Error{Code::kNotFound, path.string() + ": cannot be loaded: " + dlerror(), {}};
  const auto entry = reinterpret_cast<abi::EntryPoint>(dlsym(library, abi::kEntryPointName));
  if (entry == nullptr) {
    return Error{Code::kCorrupt, path.string() + ": exports no " + abi::kEntryPointName, "it is not a backend module"};
  }
  abi::Error error;
  abi::Backend* backend = entry(abi::kVersion, &error);
  if (backend == nullptr) return from_module(path.string(), error.code, error);
  return backend;
}

/// The file that holds this code: the program itself or a shared library.
fs::path own_object() {
  Dl_info symbol{};
  void* found = nullptr;
  dladdr1(reinterpret_cast<void*>(&own_object), &symbol, &found, RTLD_DL_LINKMAP);
  const auto* object = static_cast<const link_map*>(found);
  // The program's own entry has an empty name, and dladdr's is argv[0], which may lack the folder.
  const bool is_program = object == nullptr || object->l_name[0] == '\0';
  std::error_code ignored;
  return is_program ? fs::read_symlink("/proc/self/exe", ignored) : fs::absolute(object->l_name, ignored);
}

}  // namespace

Status check_model_file(const fs::path& model) {
  std::error_code ignored;
  if (fs::is_regular_file(model, ignored)) return {};
  return Error{Code::kNotFound, model.string() + ": no such model file", {}};
}

std::string Backend::name() const { return bounded(raw_->name(), abi::kMaxName); }
std::string Backend::runtime() const { return bounded(raw_->runtime(), abi::kMaxName); }

Result<Engine> Backend::open_engine(const EngineRequest& request) const {
  if (Status there = check_model_file(request.model); !there) return there.error();
  std::vector<abi::Option> options;
  for (const auto& [key, value] : request.options) options.push_back({key.c_str(), value.c_str()});
  abi::EngineSpec spec;
  spec.model_path = request.model.c_str();
  spec.options = options.data();
  spec.option_count = options.size();
  spec.device = request.device;
  spec.threads = request.threads;

  abi::Engine* engine = nullptr;
  abi::Error error;
  const Code code = raw_->open_engine(spec, &engine, &error);
  if (code != Code::kOk) return from_module(request.model.string(), code, error);
  Result<Engine> adopted = Engine::adopt(engine);
  if (!adopted) return Error{adopted.error().code, request.model.string() + ": " + adopted.error().message, {}};
  return adopted;
}

Status Backend::check_model(const fs::path& model) const {
  if (Status there = check_model_file(model); !there) return there;
  abi::Error error;
  const Code code = raw_->check_model(model.c_str(), &error);
  return code == Code::kOk ? Status() : Status(from_module(model.string(), code, error));
}

Result<Decoder> Backend::open_decoder(abi::Codec codec, std::int32_t device) const {
  abi::DecoderSpec spec;
  spec.codec = codec;
  spec.device = device;
  abi::Decoder* decoder = nullptr;
  abi::Error error;
  const Code code = raw_->open_decoder(spec, &decoder, &error);
  if (code != Code::kOk) return from_module("backend '" + name() + "'", code, error);
  return Decoder::adopt(decoder);
}

std::vector<std::string> list_backends(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (fs::directory_iterator entry(directory, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    std::string name = module_name(entry->path().filename().string());
    if (!name.empty()) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<Backend> open_backend(const std::string& name, const fs::path& directory) {
  const std::vector<std::string> known = list_backends(directory);
  if (std::find(known.begin(), known.end(), name) == known.end()) return no_such_backend(name, directory);
  const fs::path path = module_path(name, directory);
  Result<abi::Backend*> raw = load_module(path);
  if (!raw) return raw.error();
  const Backend backend(*raw, path);
  if (backend.name() != name) {
    return Error{Code::kCorrupt, path.string() + ": calls itself '" + backend.name() + "'",
                 "a module's file name and its name have to agree"};
  }
  return backend;
}

fs::path installed_modules() {
  const fs::path folder = own_object().parent_path();
  return folder.filename() == "bin" ? folder.parent_path() / "lib" / "edgecore" : folder / "lib";
}

fs::path backend_directory() {
  const char* const chosen = std::getenv("EDGECORE_BACKENDS");
  return chosen != nullptr && *chosen != '\0' ? fs::path(chosen) : installed_modules();
}

}  // namespace edgecore
