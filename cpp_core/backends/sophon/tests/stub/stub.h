// What the stand-ins for the maker's libraries share. Tests alone see them.
//
// A caller that breaks a rule ends the process, with the rule on standard error: on a box it would hang the chip, read
// what is not its own, or do nothing that a test would notice. SOPHON_STUB_FAIL names the one function that fails.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "../../abi/bmlib.h"

#define STUB_EXPORT extern "C" __attribute__((visibility("default")))

namespace bm {

/// One opened device: what its user has yet to give back.
struct Context {
  int open_memories = 0;
  int open_images = 0;
};

}  // namespace bm

namespace stub {

inline bool is_set(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && value == found;
}

inline bool fails(const char* function) { return is_set("SOPHON_STUB_FAIL", function); }

inline void require(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "stand-in: broken rule: %s\n", rule);
  std::abort();
}

inline unsigned char* bytes_at(std::uint64_t address) {
  return reinterpret_cast<unsigned char*>(static_cast<std::uintptr_t>(address));
}

}  // namespace stub

// Of the stand-in for libbmlib, for the others.
extern "C" bm::Status bm_dev_request(bm::Handle* handle, int device);
extern "C" void bm_dev_free(bm::Handle handle);
extern "C" bm::Status bm_get_chipid(bm::Handle handle, unsigned* chip_id);
extern "C" void bm_free_device(bm::Handle handle, bm::DeviceMemory memory);

// Not of the real one.
/// Device memory in one heap, which never fails.
extern "C" bm::DeviceMemory sophon_stub_take(bm::Handle handle, unsigned size_bytes, int heap);
/// The heap of the device memory that holds these bytes, -1 where there is none.
extern "C" int sophon_stub_heap_of(std::uint64_t address, std::uint64_t size_bytes);
