#include "edgecore/backend.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <system_error>

#include "suggest.h"
#include "utf8.h"

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

/// A module's text may lack its terminator, or be absent.
std::string bounded(const char* text, std::size_t room) {
  return text == nullptr ? std::string() : to_utf8({text, strnlen(text, room)});
}

Error from_module(const std::string& where, Code code, const abi::Error& error) {
  const Code told = code == Code::kOk ? Code::kInternal : code;  // it failed, whatever it says
  const std::string text = bounded(error.text, sizeof error.text);
  return {told, where + ": " + (text.empty() ? to_string(told) : text), {}};
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

bool is_rank(std::int32_t rank) { return rank >= 0 && static_cast<std::size_t>(rank) <= abi::kMaxRank; }

/// `port` is "input 0" or "output 2".
Result<TensorInfo> decode(const abi::TensorInfo* raw, const std::string& port) {
  const auto refuse = [&](Code code, const std::string& problem) { return Error{code, port + ": " + problem, {}}; };
  if (raw == nullptr) return refuse(Code::kInternal, "the backend does not describe it");
  if (!is_rank(raw->rank)) {
    return refuse(Code::kInternal, "the backend gives it " + std::to_string(raw->rank) + " dimensions, expected 0 to " +
                                       std::to_string(abi::kMaxRank));
  }
  if (size_of(raw->dtype) == 0) return refuse(Code::kInternal, "the backend gives it an unknown type");
  TensorInfo info{bounded(raw->name, sizeof raw->name), raw->dtype, Shape(raw->shape, raw->shape + raw->rank), raw->scale,
                  raw->zero_point};
  const bool is_free = std::any_of(info.shape.begin(), info.shape.end(), [](std::int64_t size) { return size < 0; });
  const TensorView whole{nullptr, info.dtype, info.shape, Place::kHost};
  if (!is_free && (element_count(info.shape) < 0 || whole.size_bytes() > kMaxTensorBytes)) {
    return refuse(Code::kUnsupported, "'" + info.name + "' is " + to_string(info.dtype) + " " + to_string(info.shape) +
                                          ", at most 256 MiB are supported");
  }
  return info;
}

bool fits(const Shape& shape, const Shape& expected) {
  const auto same = [](std::int64_t dimension, std::int64_t wanted) { return wanted < 0 || dimension == wanted; };
  return std::equal(shape.begin(), shape.end(), expected.begin(), expected.end(), same);
}

std::string describe(DType dtype, const Shape& shape) { return std::string(to_string(dtype)) + " " + to_string(shape); }

Status check_input(const TensorView& view, const TensorInfo& info) {
  const auto refuse = [&](const std::string& problem) {
    return Error{Code::kInvalidArgument, "input '" + info.name + "': " + problem, {}};
  };
  if (view.dtype != info.dtype || !fits(view.shape, info.shape) || element_count(view.shape) < 0) {
    return refuse("expected " + describe(info.dtype, info.shape) + ", found " + describe(view.dtype, view.shape));
  }
  if (view.data == nullptr) return refuse("has no data");
  return {};
}

abi::Tensor encode(const TensorView& view) {
  abi::Tensor raw;
  raw.data = const_cast<void*>(view.data);  // the seam's one struct serves inputs and outputs
  raw.size_bytes = view.size_bytes();
  raw.rank = static_cast<std::int32_t>(view.shape.size());
  std::copy(view.shape.begin(), view.shape.end(), raw.shape);
  raw.dtype = view.dtype;
  raw.place = view.place;
  return raw;
}

/// A module is other people's code: what it hands out is checked before anyone reads through it.
Result<TensorView> decode(const abi::Tensor& raw, const TensorInfo& info) {
  const bool rank_ok = is_rank(raw.rank);
  TensorView view{raw.data, raw.dtype, Shape(raw.shape, raw.shape + (rank_ok ? raw.rank : 0)), raw.place};
  const std::int64_t count = element_count(view.shape);
  const bool is_whole = view.size_bytes() == raw.size_bytes && (raw.data != nullptr || count == 0);
  if (!rank_ok || count < 0 || size_of(raw.dtype) == 0 || !is_whole) {
    return Error{Code::kInternal, "output '" + info.name + "': the backend's shape and size do not agree", {}};
  }
  if (raw.size_bytes > kMaxTensorBytes) {
    return Error{Code::kUnsupported,
                 "output '" + info.name + "': is " + to_string(view.shape) + ", at most 256 MiB are supported", {}};
  }
  return view;
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

Result<Engine> Engine::adopt(abi::Engine* raw) {
  if (raw == nullptr) return Error{Code::kInternal, "the backend reports success but gives no engine", {}};
  Engine engine(raw);
  for (std::size_t i = 0; i < raw->input_count(); ++i) {
    Result<TensorInfo> info = decode(raw->input(i), "input " + std::to_string(i));
    if (!info) return info.error();
    engine.inputs_.push_back(std::move(*info));
  }
  for (std::size_t i = 0; i < raw->output_count(); ++i) {
    Result<TensorInfo> info = decode(raw->output(i), "output " + std::to_string(i));
    if (!info) return info.error();
    engine.outputs_.push_back(std::move(*info));
  }
  return engine;
}

Result<std::vector<TensorView>> Engine::run(const std::vector<TensorView>& in) {
  if (in.size() != inputs_.size()) {
    return Error{Code::kInvalidArgument,
                 "inputs: expected " + std::to_string(inputs_.size()) + ", found " + std::to_string(in.size()), {}};
  }
  std::vector<abi::Tensor> raw_in;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (Status status = check_input(in[i], inputs_[i]); !status) return status.error();
    raw_in.push_back(encode(in[i]));
  }
  std::vector<abi::Tensor> raw_out(outputs_.size());
  abi::Error error;
  const Code code = raw_->run(raw_in.data(), raw_in.size(), raw_out.data(), raw_out.size(), &error);
  if (code != Code::kOk) return from_module("inference", code, error);

  std::vector<TensorView> out;
  for (std::size_t i = 0; i < raw_out.size(); ++i) {
    Result<TensorView> view = decode(raw_out[i], outputs_[i]);
    if (!view) return view.error();
    out.push_back(std::move(*view));
  }
  return out;
}

std::string Backend::name() const { return bounded(raw_->name(), abi::kMaxName); }
std::string Backend::runtime() const { return bounded(raw_->runtime(), abi::kMaxName); }

Result<Engine> Backend::open_engine(const EngineRequest& request) const {
  std::error_code ignored;
  if (!fs::is_regular_file(request.model, ignored)) {
    return Error{Code::kNotFound, request.model.string() + ": no such model file", {}};
  }
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
  const Backend backend(*raw);
  if (backend.name() != name) {
    return Error{Code::kCorrupt, path.string() + ": calls itself '" + backend.name() + "'",
                 "a module's file name and its name have to agree"};
  }
  return backend;
}

fs::path backend_directory() {
  if (const char* chosen = std::getenv("EDGECORE_BACKENDS"); chosen != nullptr && *chosen != '\0') return chosen;
  const fs::path folder = own_object().parent_path();
  return folder.filename() == "bin" ? folder.parent_path() / "lib" / "edgecore" : folder / "lib";
}

}  // namespace edgecore
