#include "runtime.h"

#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

#include "edgecore/module.h"

namespace edgecore::cpu {
namespace {

using abi::Code;
using module::fail;

constexpr char kSoname[] = "libonnxruntime.so.1";

std::string own_folder() {
  Dl_info module{};
  if (dladdr(reinterpret_cast<void*>(&own_folder), &module) == 0) return ".";
  const std::string path = module.dli_fname;
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/// A file beside the module is the one that was shipped with it: when it does not load, that is an error,
/// and no other library takes its place.
std::string library_to_open() {
  if (const char* chosen = std::getenv("EDGECORE_ONNXRUNTIME"); chosen != nullptr && *chosen != '\0') return chosen;
  const std::string shipped = own_folder() + "/" + kSoname;
  return access(shipped.c_str(), F_OK) == 0 ? shipped : kSoname;
}

Code to_code(ort::ErrorCode code) {
  switch (code) {
    case ort::kInvalidArgument: return Code::kInvalidArgument;
    case ort::kNoSuchFile: return Code::kNotFound;
    case ort::kNoModel:
    case ort::kInvalidProtobuf:
    case ort::kInvalidGraph: return Code::kCorrupt;
    case ort::kNotImplemented: return Code::kUnsupported;
    case ort::kFail: break;
  }
  return Code::kSdk;
}

}  // namespace

bool Checker::operator()(ort::Status* status, const char* call) noexcept {
  if (status == nullptr) return true;
  const ort::Api& api = *runtime_.api;
  const Handle<ort::Status> owned = runtime_.own(status);
  code_ = fail(error_, to_code(api.GetErrorCode(status)), "%s: %s", call, api.GetErrorMessage(status));
  return false;
}

Code open_runtime(Runtime& runtime, abi::Error* error) noexcept {
  const std::string path = library_to_open();
  // Since 1.31 CreateEnv itself writes a device id into the user's cache folder and opens an uploader, before
  // DisableTelemetryEvents can be called. A box does not report to anybody its owner has not named.
  setenv("ORT_DISABLE_TELEMETRY", "1", /*overwrite=*/1);
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(error, Code::kNotFound,
                "ONNX Runtime cannot be opened: %s; put %s beside the module or name one in EDGECORE_ONNXRUNTIME",
                dlerror(), kSoname);
  }
  const auto get_base = reinterpret_cast<ort::GetApiBase>(dlsym(library, ort::kGetApiBaseName));
  if (get_base == nullptr) return fail(error, Code::kUnsupported, "%s: exports no %s", path.c_str(), ort::kGetApiBaseName);

  const ort::ApiBase* base = get_base();
  runtime.version = std::string("ONNX Runtime ") + base->GetVersionString();
  runtime.api = base->GetApi(ort::kApiVersion);
  if (runtime.api == nullptr) {
    return fail(error, Code::kUnsupported, "%s: is %s, but 1.%u or later is needed", path.c_str(),
                runtime.version.c_str(), ort::kApiVersion);
  }
  Checker check(runtime, error);
  if (!check(runtime.api->CreateEnv(ort::kLogError, "edgecore", &runtime.env), "CreateEnv")) return check.code();
  check(runtime.api->DisableTelemetryEvents(runtime.env), "DisableTelemetryEvents");
  return check.code();
}

}  // namespace edgecore::cpu
