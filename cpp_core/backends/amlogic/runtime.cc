#include "runtime.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <unistd.h>

#include "edgecore/module.h"

namespace edgecore::amlogic {
namespace {

using abi::Code;
using module::fail;

constexpr char kSoname[] = "libOpenVX.so.1";

/// One row of the table of functions: where its pointer goes and the name it is exported under.
struct Symbol {
  void** place;
  const char* name;
};

template <typename Function>
Symbol symbol(Function*& place, const char* name) {
  static_assert(sizeof(Function*) == sizeof(void*));
  return {reinterpret_cast<void**>(&place), name};
}

Code find_functions(void* library, vx::Api& api, abi::Error* error) {
#define EDGECORE_SYMBOL(name) symbol(api.name, #name)
  const Symbol symbols[] = {
      EDGECORE_SYMBOL(vxCreateContext),       EDGECORE_SYMBOL(vxReleaseContext),
      EDGECORE_SYMBOL(vxQueryContext),        EDGECORE_SYMBOL(vxQueryHardwareCaps),
      EDGECORE_SYMBOL(vxGetStatus),           EDGECORE_SYMBOL(vxCreateGraph),
      EDGECORE_SYMBOL(vxReleaseGraph),        EDGECORE_SYMBOL(vxVerifyGraph),
      EDGECORE_SYMBOL(vxScheduleGraph),       EDGECORE_SYMBOL(vxWaitGraph),
      EDGECORE_SYMBOL(vxImportKernelFromURL), EDGECORE_SYMBOL(vxRemoveKernel),
      EDGECORE_SYMBOL(vxCreateGenericNode),   EDGECORE_SYMBOL(vxReleaseNode),
      EDGECORE_SYMBOL(vxQueryNode),           EDGECORE_SYMBOL(vxGetParameterByIndex),
      EDGECORE_SYMBOL(vxQueryParameter),      EDGECORE_SYMBOL(vxReleaseParameter),
      EDGECORE_SYMBOL(vxSetParameterByIndex), EDGECORE_SYMBOL(vxCreateTensor2),
      EDGECORE_SYMBOL(vxReleaseTensor),       EDGECORE_SYMBOL(vxMapTensorPatch),
      EDGECORE_SYMBOL(vxUnmapTensorPatch),
  };
#undef EDGECORE_SYMBOL
  for (const Symbol& wanted : symbols) {
    *wanted.place = dlsym(library, wanted.name);
    if (*wanted.place == nullptr) {
      return fail(error, Code::kUnsupported, "%s exports no %s; a driver with OpenVX 1.3 is needed (6.4.x)", kSoname,
                  wanted.name);
    }
  }
  return Code::kOk;
}

bool is_loaded(const char* soname) {
  void* library = dlopen(soname, RTLD_NOW | RTLD_NOLOAD);
  if (library != nullptr) dlclose(library);
  return library != nullptr;
}

/// Empty where a context may be asked for. The HAL under OpenVX ends the process (exit(1), after five tries) where it
/// cannot open its device, so that has to be known before. Source: gc_hal_user_os.c, _OpenDevice, in several
/// public trees. The emulator (libEmulator beside the HAL) and a stand-in (no HAL) have no device file.
std::string missing_device() {
  if (!is_loaded("libGAL.so") || is_loaded("libEmulator.so")) return {};
  constexpr const char* kDevice = "/dev/galcore";
  if (access(kDevice, R_OK | W_OK) == 0 || access("/dev/graphics/galcore", R_OK | W_OK) == 0) return {};
  return std::string(kDevice) + ": " + std::strerror(errno);
}

/// Asks a passing context what is there.
void ask_device(Runtime& runtime) {
  const vx::Api& api = runtime.api;
  const Handle<vx::Context> context(api.vxCreateContext(), Release{&api});
  runtime.has_device = context != nullptr && api.vxGetStatus(context.get()) == vx::kSuccess;
  if (!runtime.has_device) {
    runtime.title = "OpenVX without a device: vxCreateContext gives no context";
    return;
  }
  char implementation[vx::kMaxImplementationName] = "";
  std::uint16_t version = 0;
  api.vxQueryContext(context.get(), vx::kContextImplementation, implementation, sizeof implementation);
  api.vxQueryContext(context.get(), vx::kContextVersion, &version, sizeof version);
  implementation[sizeof implementation - 1] = '\0';
  runtime.title =
      "OpenVX " + std::to_string(version >> 8U) + "." + std::to_string(version & 0xFFU) + " (" + implementation + ")";
  vx::HardwareCaps caps{};
  if (api.vxQueryHardwareCaps(context.get(), &caps, sizeof caps) == vx::kSuccess) runtime.device_pid = caps.customer_id;
}

const char* name_of(vx::Status status) {
  constexpr const char* kNames[] = {
      // from -1 down
      "VX_FAILURE",
      "VX_ERROR_NOT_IMPLEMENTED",
      "VX_ERROR_NOT_SUPPORTED",
      "VX_ERROR_NOT_SUFFICIENT",
      "VX_ERROR_NOT_ALLOCATED",
      "VX_ERROR_NOT_COMPATIBLE",
      "VX_ERROR_NO_RESOURCES",
      "VX_ERROR_NO_MEMORY",
      "VX_ERROR_OPTIMIZED_AWAY",
      "VX_ERROR_INVALID_PARAMETERS",
      "VX_ERROR_INVALID_MODULE",
      "VX_ERROR_INVALID_REFERENCE",
      "VX_ERROR_INVALID_LINK",
      "VX_ERROR_INVALID_FORMAT",
      "VX_ERROR_INVALID_DIMENSION",
      "VX_ERROR_INVALID_VALUE",
      "VX_ERROR_INVALID_TYPE",
      "VX_ERROR_INVALID_GRAPH",
      "VX_ERROR_INVALID_NODE",
      "VX_ERROR_INVALID_SCOPE",
      "VX_ERROR_GRAPH_SCHEDULED",
      "VX_ERROR_GRAPH_ABANDONED",
      "VX_ERROR_MULTIPLE_WRITERS",
      "VX_ERROR_REFERENCE_NONZERO",
  };
  constexpr vx::Status kCount = sizeof kNames / sizeof *kNames;
  return status < 0 && status >= -kCount ? kNames[-status - 1] : "no name in OpenVX 1.3";
}

}  // namespace

bool Checker::operator()(vx::Status status, const char* call) noexcept {
  if (status == vx::kSuccess) return true;
  code_ = fail(error_, Code::kSdk, "%s: %d (%s); VIV_VX_DEBUG_LEVEL=1 makes the driver print why", call, status,
               name_of(status));
  return false;
}

bool Checker::refuse_null(const char* call) noexcept {
  code_ = fail(error_, Code::kSdk, "%s gives nothing; VIV_VX_DEBUG_LEVEL=1 makes the driver print why", call);
  return false;
}

Code open_runtime(Runtime& runtime, abi::Error* error) noexcept {
  void* library = dlopen(kSoname, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return fail(
        error, Code::kNotFound,
        "OpenVX cannot be opened: %s; install the driver's libraries (%s, libGAL.so, libVSC.so ...) or name their "
        "folder in LD_LIBRARY_PATH",
        dlerror(), kSoname);
  }
  if (Code code = find_functions(library, runtime.api, error); code != Code::kOk) return code;
  if (const std::string missing = missing_device(); !missing.empty()) {
    runtime.title = "OpenVX without a device: " + missing;
  } else {
    ask_device(runtime);
  }
  return Code::kOk;
}

}  // namespace edgecore::amlogic
