#include "runtime.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <utility>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using module::fail;

#if EDGECORE_TRT_MAJOR == 8
constexpr const char* kSonames[] = {"libnvinfer.so.8", "libnvinfer_lean.so.8"};
#else
// The lean runtime runs version-compatible plans alone, and is all that a registry of packages has.
constexpr const char* kSonames[] = {"libnvinfer.so.10", "libnvinfer_lean.so.10"};
#endif
constexpr std::size_t kMostWords = 400;  // of the library's, in one error text

/// Opens $EDGECORE_TENSORRT if set, else the first of kSonames that is there. `tried`: the loader's words otherwise.
void* open_library(std::string& tried) {
  if (const char* chosen = std::getenv("EDGECORE_TENSORRT"); chosen != nullptr && *chosen != '\0') {
    void* library = dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) tried = dlerror();
    return library;
  }
  for (const char* soname : kSonames) {
    if (void* library = dlopen(soname, RTLD_NOW | RTLD_LOCAL); library != nullptr) return library;
    if (!tried.empty()) tried += "; ";
    tried += dlerror();
  }
  return nullptr;
}

/// "enqueueV3: what was said"; the library names some calls itself.
std::string told(const std::string& call, const std::string& said) {
  if (said.rfind(call, 0) == 0) return said;
  return call + ": " + (said.empty() ? "no reason given" : said);
}

std::string dotted(std::int32_t version) {
  const std::int32_t major_unit = nvinfer::kMajor == 8 ? 1000 : 10000;
  return std::to_string(version / major_unit) + "." + std::to_string(version % major_unit / 100) + "." +
         std::to_string(version % 100);
}

}  // namespace

void Logger::log(nvinfer::Severity severity, const char* text) noexcept {
  if (text == nullptr) return;
  if (is_loud_ && severity <= nvinfer::kWarning) std::fprintf(stderr, "TensorRT: %s\n", text);
  if (severity > nvinfer::kError) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (said_.size() >= kMostWords) return;
  if (!said_.empty()) said_ += "; ";
  said_.append(text).resize(std::min(said_.size(), kMostWords));
}

std::string Logger::take() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(said_, {});
}

Code Library::open(Error* error) noexcept {
  std::string tried;
  void* library = open_library(tried);
  if (library == nullptr) {
    return fail(error, Code::kNotFound,
                "TensorRT %d cannot be opened: %s; install TensorRT %d.x (on a Jetson: the package libnvinfer%d), or "
                "name the library in EDGECORE_TENSORRT",
                nvinfer::kMajor, tried.c_str(), nvinfer::kMajor, nvinfer::kMajor);
  }
  create_ = reinterpret_cast<nvinfer::CreateRuntime>(dlsym(library, nvinfer::kCreateRuntimeName));
  const auto get_version =
      reinterpret_cast<nvinfer::GetLibraryVersion>(dlsym(library, nvinfer::kGetLibraryVersionName));
  if (create_ == nullptr || get_version == nullptr) {
    return fail(error, Code::kUnsupported, "the library exports no %s; it is not TensorRT %d",
                create_ == nullptr ? nvinfer::kCreateRuntimeName : nvinfer::kGetLibraryVersionName, nvinfer::kMajor);
  }
  version_ = get_version();
  title_ = "TensorRT " + dotted(version_);
  if (version_ < nvinfer::kOldest || version_ >= nvinfer::kOldest + (nvinfer::kMajor == 8 ? 1000 : 10000)) {
    return fail(error, Code::kUnsupported, "the library says it is version %d; this module speaks TensorRT %d.x",
                version_, nvinfer::kMajor);
  }
  if (Code code = driver_.open(error); code != Code::kOk) return code;
  if (driver_.device_count() > 0) return Code::kOk;
  return fail(error, Code::kNotFound, "%s: the driver sees no GPU; in a container, pass one in (--runtime=nvidia)",
              title_.c_str());
}

Code Library::create_runtime(RuntimeHandle& runtime, Error* error) noexcept {
  logger_.take();
  logger_.speak_up(true);
  nvinfer::Runtime* created = create_(&logger_, version_);
  logger_.speak_up(false);
  const std::string said = logger_.take();
  if (created != nullptr && said.empty()) {
    runtime.reset(created);
    return Code::kOk;
  }
  return fail(error, Code::kSdk, "%s; does the NVIDIA driver serve the CUDA version that %s was built for? (the driver: "
              "CUDA %d.%d)",
              told("createInferRuntime", said).c_str(), title_.c_str(), driver_.version() / 1000,
              driver_.version() % 1000 / 10);
}

Code Library::failed(const char* call, Error* error, Code code) noexcept {
  return fail(error, code, "%s", told(call, logger_.take()).c_str());
}

int Library::release() const noexcept {
  const int major_unit = nvinfer::kMajor == 8 ? 1000 : 10000;
  return nvinfer::kMajor * 100 + version_ % major_unit / 100;
}

}  // namespace edgecore::tensorrt
