// A stand-in for libbmlib.so.0, for tests alone: one device whose memory is the heap. SOPHON_STUB_SOC=1: memory can be
// mapped, as on the chip itself. SOPHON_STUB_CHIP: its chip id. SOPHON_STUB_FAIL: the one function that fails.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "../../abi/bmlib.h"

#define STUB_EXPORT extern "C" __attribute__((visibility("default")))

namespace bm {
struct Context {
  int open_memories = 0;
};
}  // namespace bm

namespace {

bool is_set(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && value == found;
}
bool fails(const char* function) { return is_set("SOPHON_STUB_FAIL", function); }
bool is_soc() { return is_set("SOPHON_STUB_SOC", "1"); }
char* bytes_of(const bm::DeviceMemory& memory) {
  return reinterpret_cast<char*>(static_cast<std::uintptr_t>(memory.address));
}

}  // namespace

STUB_EXPORT bm::Status bm_dev_getcount(int* count) {
  *count = 1;
  return fails("bm_dev_getcount") ? bm::kFailure : bm::kSuccess;
}

STUB_EXPORT bm::Status bm_dev_request(bm::Handle* handle, int) {
  if (fails("bm_dev_request")) return bm::kDeviceNotReady;
  *handle = new bm::Context;
  return bm::kSuccess;
}

/// A caller that leaks device memory would not notice on a box until it is full: here the process ends.
STUB_EXPORT void bm_dev_free(bm::Handle handle) {
  if (handle->open_memories != 0) std::abort();
  delete handle;
}

STUB_EXPORT bm::Status bm_get_chipid(bm::Handle, unsigned* chip_id) {
  const char* chosen = std::getenv("SOPHON_STUB_CHIP");
  *chip_id = chosen == nullptr ? bm::kChipBm1684 : static_cast<unsigned>(std::strtoul(chosen, nullptr, 0));
  return fails("bm_get_chipid") ? bm::kFailure : bm::kSuccess;
}

STUB_EXPORT bm::Status bm_get_misc_info(bm::Handle, bm::MiscInfo* info) {
  *info = {};
  info->is_soc = is_soc() ? 1 : 0;
  return fails("bm_get_misc_info") ? bm::kFailure : bm::kSuccess;
}

STUB_EXPORT bm::Status bm_malloc_device_byte(bm::Handle handle, bm::DeviceMemory* memory, unsigned size_bytes) {
  if (fails("bm_malloc_device_byte")) return bm::kNoMemory;
  *memory = {};
  memory->address = reinterpret_cast<std::uintptr_t>(std::calloc(1, size_bytes));
  memory->size_bytes = size_bytes;
  ++handle->open_memories;
  return bm::kSuccess;
}

STUB_EXPORT void bm_free_device(bm::Handle handle, bm::DeviceMemory memory) {
  --handle->open_memories;
  std::free(bytes_of(memory));
}

STUB_EXPORT bm::Status bm_memcpy_s2d_partial(bm::Handle, bm::DeviceMemory to, void* from, unsigned size_bytes) {
  if (fails("bm_memcpy_s2d_partial") || size_bytes > to.size_bytes) return bm::kParameter;
  std::memcpy(bytes_of(to), from, size_bytes);
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_memcpy_d2s_partial(bm::Handle, void* to, bm::DeviceMemory from, unsigned size_bytes) {
  if (fails("bm_memcpy_d2s_partial") || size_bytes > from.size_bytes) return bm::kParameter;
  std::memcpy(to, bytes_of(from), size_bytes);
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_mem_mmap_device_mem(bm::Handle, bm::DeviceMemory* memory, unsigned long long* address) {
  if (!is_soc() || fails("bm_mem_mmap_device_mem")) return bm::kNotSupported;
  *address = memory->address;
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_mem_unmap_device_mem(bm::Handle, void*, int) { return bm::kSuccess; }

STUB_EXPORT bm::Status bm_mem_flush_device_mem(bm::Handle, bm::DeviceMemory*) {
  return is_soc() && !fails("bm_mem_flush_device_mem") ? bm::kSuccess : bm::kNotSupported;
}

STUB_EXPORT bm::Status bm_mem_invalidate_device_mem(bm::Handle, bm::DeviceMemory*) {
  return is_soc() && !fails("bm_mem_invalidate_device_mem") ? bm::kSuccess : bm::kNotSupported;
}

STUB_EXPORT bm::Status bm_handle_sync(bm::Handle) { return fails("bm_handle_sync") ? bm::kTimeout : bm::kSuccess; }

STUB_EXPORT bm::Status bm_handle_sync_from_core(bm::Handle, int) {
  return fails("bm_handle_sync_from_core") ? bm::kTimeout : bm::kSuccess;
}
