#include "runtime.h"

#include <cstring>
#include <limits>
#include <new>

#include "edgecore/module.h"
#include "library.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using module::fail;

// SOPHONSDK's SONAME, and the plain name that BMNNSDK2 has.
constexpr std::initializer_list<const char*> kNames = {"libbmrt.so.1.0", "libbmrt.so"};

/// In libbmrt and in what it needs: so libbmlib is the very one that libbmrt works with, whatever its name
/// (libbmlib.so.0, in older SDKs libbmlib.so).
const char* resolve(void* library, bm::Api& lib, bm::RuntimeApi& rt) {
  Resolver find(library);
  find(lib.bm_dev_getcount, "bm_dev_getcount");
  find(lib.bm_dev_request, "bm_dev_request");
  find(lib.bm_dev_free, "bm_dev_free");
  find(lib.bm_get_chipid, "bm_get_chipid");
  find(lib.bm_get_misc_info, "bm_get_misc_info");
  find(lib.bm_malloc_device_byte, "bm_malloc_device_byte");
  find(lib.bm_free_device, "bm_free_device");
  find(lib.bm_memcpy_s2d_partial, "bm_memcpy_s2d_partial");
  find(lib.bm_memcpy_d2s_partial, "bm_memcpy_d2s_partial");
  find(lib.bm_mem_mmap_device_mem, "bm_mem_mmap_device_mem");
  find(lib.bm_mem_unmap_device_mem, "bm_mem_unmap_device_mem");
  find(lib.bm_mem_flush_device_mem, "bm_mem_flush_device_mem");
  find(lib.bm_mem_invalidate_device_mem, "bm_mem_invalidate_device_mem");
  find(lib.bm_handle_sync, "bm_handle_sync");
  find(rt.bmrt_create, "bmrt_create");
  find(rt.bmrt_destroy, "bmrt_destroy");
  find(rt.bmrt_load_bmodel_data, "bmrt_load_bmodel_data");
  find(rt.bmrt_get_network_info, "bmrt_get_network_info");
  find(rt.bmrt_launch_tensor_ex, "bmrt_launch_tensor_ex");
  find.maybe(lib.bm_malloc_device_byte_heap_mask, "bm_malloc_device_byte_heap_mask");
  find.maybe(lib.bm_handle_sync_from_core, "bm_handle_sync_from_core");
  find.maybe(rt.bmrt_launch_tensor_multi_cores, "bmrt_launch_tensor_multi_cores");
  return find.missing();
}

const char* meaning(bm::Status status) {
  switch (status) {
    case bm::kSuccess: return "success";
    case bm::kDeviceNotReady: return "device not ready";
    case bm::kFailure: return "failure";
    case bm::kTimeout: return "timeout";
    case bm::kParameter: return "invalid parameter";
    case bm::kNoMemory: return "out of device memory";
    case bm::kData: return "data error";
    case bm::kBusy: return "busy";
    case bm::kNoFeature: return "not there on this device";
    case bm::kNotSupported: return "not supported";
  }
  return "unknown";
}

}  // namespace

Code open_libraries(Libraries& libraries, abi::Error* error) noexcept {
  std::string reasons;
  void* library = open_library("EDGECORE_BMRT", kNames, reasons);
  if (library == nullptr) {
    return fail(
        error, Code::kNotFound,
        "libbmrt cannot be opened: %s; install the SDK's libsophon on the box and run ldconfig, or name the file "
        "in EDGECORE_BMRT",
        reasons.c_str());
  }
  const std::string path = path_of(library);
  if (const char* missing = resolve(library, libraries.lib, libraries.rt)) {
    return fail(error, Code::kUnsupported,
                "%s: it and the libraries it needs export no %s; a newer libsophon is needed", path.c_str(), missing);
  }
  libraries.title = "BMRuntime, " + path;
  return Code::kOk;
}

Code check(bm::Status status, const char* call, abi::Error* error) noexcept {
  if (status == bm::kSuccess) return Code::kOk;
  return fail(error, Code::kSdk, "%s: status %d (%s)", call, status, meaning(status));
}

Device::~Device() {
  if (handle_ != nullptr) libraries_->lib.bm_dev_free(handle_);
}

Code Device::open(const Libraries& libraries, std::int32_t index, abi::Error* error) noexcept {
  libraries_ = &libraries;
  const bm::Api& lib = libraries.lib;
  int count = 0;
  if (Code code = check(lib.bm_dev_getcount(&count), "bm_dev_getcount", error); code != Code::kOk) return code;
  if (index < 0 || index >= count) {
    return fail(error, Code::kNotFound, "device %d: the driver has %d%s", index, count,
                count == 0 ? "; is its module loaded, and are its /dev nodes in this container?" : ", counted from 0");
  }
  if (Code code = check(lib.bm_dev_request(&handle_, index), "bm_dev_request", error); code != Code::kOk) {
    handle_ = nullptr;
    return code;
  }
  if (Code code = check(lib.bm_get_chipid(handle_, &chip_id_), "bm_get_chipid", error); code != Code::kOk) return code;
  bm::MiscInfo info{};
  if (Code code = check(lib.bm_get_misc_info(handle_, &info), "bm_get_misc_info", error); code != Code::kOk)
    return code;
  is_soc_ = info.is_soc == 1;
  return Code::kOk;
}

Buffer::~Buffer() {
  if (mapped_ != nullptr) {
    libraries_->lib.bm_mem_unmap_device_mem(handle_, mapped_, static_cast<int>(memory_.size_bytes));
  }
  if (is_allocated_) libraries_->lib.bm_free_device(handle_, memory_);
}

Code Buffer::allocate(const Libraries& libraries, const Device& device, std::size_t size_bytes,
                      abi::Error* error) noexcept {
  libraries_ = &libraries;
  handle_ = device.handle();
  const bm::Api& lib = libraries.lib;
  if (size_bytes == 0 || size_bytes > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return fail(error, Code::kUnsupported, "a tensor of %zu bytes; one byte to 2 GiB are supported", size_bytes);
  }
  const auto size = static_cast<unsigned>(size_bytes);
  if (Code code = check(lib.bm_malloc_device_byte(handle_, &memory_, size), "bm_malloc_device_byte", error);
      code != Code::kOk) {
    return code;
  }
  is_allocated_ = true;
  if (device.is_soc()) {
    unsigned long long address = 0;
    if (Code code = check(lib.bm_mem_mmap_device_mem(handle_, &memory_, &address), "bm_mem_mmap_device_mem", error);
        code != Code::kOk) {
      return code;
    }
    mapped_ = reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
    return Code::kOk;
  }
  host_.reset(new (std::nothrow) char[size_bytes]);
  return host_ ? Code::kOk : fail(error, Code::kSdk, "out of memory: %zu bytes for a tensor", size_bytes);
}

Code Buffer::upload(const void* from, std::size_t size_bytes, abi::CopyCounts& counts, abi::Error* error) noexcept {
  const bm::Api& lib = libraries_->lib;
  if (mapped_ == nullptr) {
    ++counts.to_device;
    counts.to_device_bytes += size_bytes;
    // The API takes a pointer to what it only reads.
    return check(
        lib.bm_memcpy_s2d_partial(handle_, memory_, const_cast<void*>(from), static_cast<unsigned>(size_bytes)),
        "bm_memcpy_s2d_partial", error);
  }
  if (from != mapped_) {
    std::memcpy(mapped_, from, size_bytes);
    ++counts.to_device;
    counts.to_device_bytes += size_bytes;
  }
  return check(lib.bm_mem_flush_device_mem(handle_, &memory_), "bm_mem_flush_device_mem", error);
}

Code Buffer::download(std::size_t size_bytes, abi::CopyCounts& counts, abi::Error* error) noexcept {
  const bm::Api& lib = libraries_->lib;
  if (mapped_ != nullptr) {
    return check(lib.bm_mem_invalidate_device_mem(handle_, &memory_), "bm_mem_invalidate_device_mem", error);
  }
  ++counts.to_host;
  counts.to_host_bytes += size_bytes;
  return check(lib.bm_memcpy_d2s_partial(handle_, host_.get(), memory_, static_cast<unsigned>(size_bytes)),
               "bm_memcpy_d2s_partial", error);
}

PictureMemory::~PictureMemory() { free(); }

void PictureMemory::free() noexcept {
  if (memory_.size_bytes != 0) libraries_->lib.bm_free_device(handle_, memory_);
  memory_ = {};
}

Code PictureMemory::reserve(const Libraries& libraries, const Device& device, std::size_t size_bytes,
                            abi::Error* error) noexcept {
  if (size_bytes <= memory_.size_bytes) return Code::kOk;
  if (libraries.lib.bm_malloc_device_byte_heap_mask == nullptr) {
    return fail(error, Code::kUnsupported, "libbmlib exports no bm_malloc_device_byte_heap_mask; a newer libsophon is "
                                           "needed");
  }
  if (size_bytes > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return fail(error, Code::kUnsupported, "a picture of %zu bytes; up to 2 GiB are supported", size_bytes);
  }
  free();
  libraries_ = &libraries;
  handle_ = device.handle();
  // Heap 0, the TPU's, is out of VPP's sight. Source: bmcv's doc/source/memory.rst; bmcv itself asks for mask 6.
  constexpr int kHeaps1And2 = 6;
  bm::DeviceMemory memory{};
  if (Code code = check(libraries.lib.bm_malloc_device_byte_heap_mask(handle_, &memory, kHeaps1And2,
                                                                      static_cast<unsigned>(size_bytes)),
                        "bm_malloc_device_byte_heap_mask", error);
      code != Code::kOk) {
    return code;
  }
  memory_ = memory;
  return Code::kOk;
}

}  // namespace edgecore::sophon
