// A stand-in for libbmlib.so.0, for tests alone: one device whose memory is the host's, in three heaps.
// SOPHON_STUB_SOC=1: memory can be mapped, as on the chip itself. SOPHON_STUB_CHIP: its chip id.

#include <cstring>
#include <map>
#include <mutex>

#include "stub.h"

using stub::bytes_at;
using stub::fails;
using stub::require;

namespace {

struct Block {
  bm::Handle handle;
  std::uint64_t size_bytes;
  int heap;
};

/// The device's memory, by address: what one handle took, another may read.
struct Memory {
  std::mutex mutex;
  std::map<std::uint64_t, Block> blocks;
};

Memory& memory() {
  static auto* const kept = new Memory;
  return *kept;
}

bool is_soc() { return stub::is_set("SOPHON_STUB_SOC", "1"); }

}  // namespace

STUB_EXPORT bm::DeviceMemory sophon_stub_take(bm::Handle handle, unsigned size_bytes, int heap) {
  constexpr std::size_t kPage = 4096;
  const std::size_t whole = (size_bytes + kPage - 1) / kPage * kPage;
  void* const bytes = std::aligned_alloc(kPage, whole);
  require(bytes != nullptr, "the host has memory for a device's");
  std::memset(bytes, 0xEE, whole);  // as it comes, not as one would like it
  const bm::DeviceMemory taken = bm::memory_at(reinterpret_cast<std::uintptr_t>(bytes), size_bytes);
  const std::lock_guard one_at_a_time(memory().mutex);
  memory().blocks[taken.address] = {handle, size_bytes, heap};
  ++handle->open_memories;
  return taken;
}

STUB_EXPORT int sophon_stub_heap_of(std::uint64_t address, std::uint64_t size_bytes) {
  const std::lock_guard one_at_a_time(memory().mutex);
  auto block = memory().blocks.upper_bound(address);
  if (block == memory().blocks.begin()) return -1;
  --block;
  const bool is_inside = address + size_bytes <= block->first + block->second.size_bytes;
  return is_inside ? block->second.heap : -1;
}

STUB_EXPORT bm::Status bm_dev_getcount(int* count) {
  *count = 1;
  return fails("bm_dev_getcount") ? bm::kFailure : bm::kSuccess;
}

STUB_EXPORT bm::Status bm_dev_request(bm::Handle* handle, int) {
  if (fails("bm_dev_request")) return bm::kDeviceNotReady;
  *handle = new bm::Context;
  return bm::kSuccess;
}

/// A caller that leaks would not notice on a box until it is full.
STUB_EXPORT void bm_dev_free(bm::Handle handle) {
  require(handle->open_memories == 0, "memory goes back before its device");
  require(handle->open_images == 0, "images go before their device");
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

STUB_EXPORT bm::Status bm_malloc_device_byte(bm::Handle handle, bm::DeviceMemory* taken, unsigned size_bytes) {
  if (fails("bm_malloc_device_byte")) return bm::kNoMemory;
  *taken = sophon_stub_take(handle, size_bytes, 0);
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_malloc_device_byte_heap_mask(bm::Handle handle, bm::DeviceMemory* taken, int heaps,
                                                       unsigned size_bytes) {
  require(heaps > 0 && heaps < 8, "heap masks have bits 0 to 2");
  if (fails("bm_malloc_device_byte_heap_mask")) return bm::kNoMemory;
  *taken = sophon_stub_take(handle, size_bytes, (heaps & 1) != 0 ? 0 : (heaps & 2) != 0 ? 1 : 2);
  return bm::kSuccess;
}

STUB_EXPORT void bm_free_device(bm::Handle handle, bm::DeviceMemory taken) {
  const std::lock_guard one_at_a_time(memory().mutex);
  const auto block = memory().blocks.find(taken.address);
  require(block != memory().blocks.end() && block->second.handle == handle, "memory goes back once, to its own handle");
  memory().blocks.erase(block);
  --handle->open_memories;
  std::free(bytes_at(taken.address));
}

STUB_EXPORT bm::Status bm_memcpy_s2d_partial(bm::Handle, bm::DeviceMemory to, void* from, unsigned size_bytes) {
  require(sophon_stub_heap_of(to.address, size_bytes) >= 0, "copies go to memory that was taken");
  if (fails("bm_memcpy_s2d_partial") || size_bytes > to.size_bytes) return bm::kParameter;
  std::memcpy(bytes_at(to.address), from, size_bytes);
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_memcpy_d2s_partial(bm::Handle, void* to, bm::DeviceMemory from, unsigned size_bytes) {
  require(sophon_stub_heap_of(from.address, size_bytes) >= 0, "copies come from memory that was taken");
  if (fails("bm_memcpy_d2s_partial") || size_bytes > from.size_bytes) return bm::kParameter;
  std::memcpy(to, bytes_at(from.address), size_bytes);
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_mem_mmap_device_mem(bm::Handle, bm::DeviceMemory* taken, unsigned long long* address) {
  if (!is_soc() || fails("bm_mem_mmap_device_mem")) return bm::kNotSupported;
  *address = taken->address;
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
