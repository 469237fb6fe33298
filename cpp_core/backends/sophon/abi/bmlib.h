// The part of libbmlib's C API that this module calls, declared by us: no SDK is needed to compile.
//
// Facts from bmlib/include/bmlib_runtime.h of libsophon 0.4.4 to 0.5.1 (github.com/sophgo/libsophon), whose
// descriptors have kept their layout since BMNNSDK2; executed against the libraries of tpu-mlir 1.6.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bm {

struct Context;  // one opened device
using Handle = Context*;

enum Status : int {
  kSuccess = 0,
  kDeviceNotReady = 1,
  kFailure = 2,
  kTimeout = 3,
  kParameter = 4,
  kNoMemory = 5,
  kData = 6,
  kBusy = 7,
  kNoFeature = 8,
  kNotSupported = 9,
};

/// bm_device_mem_t: a piece of device memory, passed by value where the API frees or copies it.
struct DeviceMemory {
  std::uint64_t address;
  std::uint32_t reserved;
  std::int32_t dmabuf_fd;
  std::uint32_t flags;
  std::uint32_t size_bytes;
};
static_assert(sizeof(DeviceMemory) == 24 && alignof(DeviceMemory) == 8);
static_assert(offsetof(DeviceMemory, dmabuf_fd) == 12 && offsetof(DeviceMemory, size_bytes) == 20);

/// struct bm_misc_info; only is_soc is read.
struct MiscInfo {
  std::int32_t is_soc;  // 0: a card behind PCIe, 1: the chip this process runs on
  std::int32_t ddr_ecc_enable;
  std::int64_t ddr_bytes[4];
  std::uint32_t chip_id;
  std::uint64_t chip_id_bit_mask;
  std::uint32_t driver_version;
  std::int32_t domain_bdf;
  std::int32_t board_version;
  std::int32_t a53_enable;
  std::int32_t dyn_enable;
};
static_assert(sizeof(MiscInfo) == 80 && offsetof(MiscInfo, chip_id) == 40 && offsetof(MiscInfo, driver_version) == 56);

/// Memory by its address alone, as bm_mem_from_device() gives it: all else zero, which also says "of the device".
constexpr DeviceMemory memory_at(std::uint64_t address, std::uint32_t size_bytes) {
  return {address, 0, 0, 0, size_bytes};
}

inline constexpr unsigned kChipBm1684 = 0x1684;
inline constexpr unsigned kChipBm1684x = 0x1686;
inline constexpr unsigned kChipBm1688 = 0x1686a200;  // also CV186AH, the same die with fewer cores

/// Members are named like the functions.
struct Api {
  Status (*bm_dev_getcount)(int* count);
  Status (*bm_dev_request)(Handle* handle, int device);
  void (*bm_dev_free)(Handle handle);
  Status (*bm_get_chipid)(Handle handle, unsigned* chip_id);
  Status (*bm_get_misc_info)(Handle handle, MiscInfo* info);

  Status (*bm_malloc_device_byte)(Handle handle, DeviceMemory* memory, unsigned size_bytes);
  /// From one of the heaps whose bits are set; null in libraries that are older than any of the public ones.
  Status (*bm_malloc_device_byte_heap_mask)(Handle handle, DeviceMemory* memory, int heaps, unsigned size_bytes);
  void (*bm_free_device)(Handle handle, DeviceMemory memory);
  Status (*bm_memcpy_s2d_partial)(Handle handle, DeviceMemory to, void* from, unsigned size_bytes);
  Status (*bm_memcpy_d2s_partial)(Handle handle, void* to, DeviceMemory from, unsigned size_bytes);

  // On the chip itself alone: device memory in the process's address space, cached, kept coherent by hand.
  Status (*bm_mem_mmap_device_mem)(Handle handle, DeviceMemory* memory, unsigned long long* address);
  Status (*bm_mem_unmap_device_mem)(Handle handle, void* address, int size_bytes);
  Status (*bm_mem_flush_device_mem)(Handle handle, DeviceMemory* memory);
  Status (*bm_mem_invalidate_device_mem)(Handle handle, DeviceMemory* memory);

  /// Waits for everything that was launched through the handle, from whatever thread.
  Status (*bm_handle_sync)(Handle handle);
  Status (*bm_handle_sync_from_core)(Handle handle, int core);  // null before SOPHONSDK 23.10
};

}  // namespace bm
