#include "device.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

#include "ledger.h"

namespace stand_in {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kReserve = std::size_t{1} << 32U;

std::size_t whole_pages(std::size_t size_bytes) { return (size_bytes + kPage - 1) / kPage * kPage; }

}  // namespace

Device& Device::get() {
  static Device* const device = new Device;
  return *device;
}

std::uintptr_t Device::take_addresses(std::size_t size_bytes) {
  if (reserve_ == 0) {
    void* reserve = mmap(nullptr, kReserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserve == MAP_FAILED) return 0;
    reserve_ = next_ = reinterpret_cast<std::uintptr_t>(reserve);
  }
  const std::size_t room = whole_pages(size_bytes) + kPage;  // a page that nobody may touch stays behind it
  if (size_bytes == 0 || next_ + room > reserve_ + kReserve) return 0;
  return std::exchange(next_, next_ + room);
}

void* Device::adopt(unsigned char* bytes, std::size_t size_bytes) {
  const std::uintptr_t address = take_addresses(size_bytes);
  if (address == 0) return nullptr;
  blocks_[address].size_bytes = size_bytes;
  blocks_[address].lent = bytes;
  return reinterpret_cast<void*>(address);
}

void Device::disown(void* address) { blocks_.erase(reinterpret_cast<std::uintptr_t>(address)); }

void* Device::allocate(std::size_t size_bytes, bool is_pinned) {
  const std::uintptr_t address = take_addresses(size_bytes);
  if (address == 0) return nullptr;
  Block& block = blocks_[address];
  block.size_bytes = size_bytes;
  block.is_pinned = is_pinned;
  if (is_pinned) {
    if (mprotect(reinterpret_cast<void*>(address), whole_pages(size_bytes), PROT_READ | PROT_WRITE) != 0) return nullptr;
  } else {
    block.backing = std::make_unique<unsigned char[]>(size_bytes);
  }
  std::memset(bytes(reinterpret_cast<void*>(address), size_bytes, "allocation"), 0xA5, size_bytes);
  return reinterpret_cast<void*>(address);
}

void Device::free(void* address, bool is_pinned) {
  const auto found = blocks_.find(reinterpret_cast<std::uintptr_t>(address));
  if (found == blocks_.end()) return;  // the ledger has said so
  if (is_pinned) {
    mmap(address, whole_pages(found->second.size_bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
         -1, 0);
  }
  blocks_.erase(found);
}

unsigned char* Device::bytes(const void* address, std::size_t size_bytes, const char* who) {
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  auto block = blocks_.upper_bound(begin);
  if (block != blocks_.begin()) {
    --block;
    const std::size_t offset = begin - block->first;
    if (offset <= block->second.size_bytes && size_bytes <= block->second.size_bytes - offset) {
      auto* const base = block->second.is_pinned         ? reinterpret_cast<unsigned char*>(block->first)
                         : block->second.lent != nullptr ? block->second.lent
                                                         : block->second.backing.get();
      return base + offset;
    }
  }
  Ledger::get().broken(text("%s: %zu bytes at %p are not the device's, or were freed", who, size_bytes, address));
  return nullptr;
}

void Device::run_first(Stream& stream) {
  const Work work = std::move(stream.pending.front());
  stream.pending.pop_front();
  if (work.wait_for != nullptr) drain_until(*work.wait_for, work.wait_count);
  if (work.run) work.run();
}

void Device::drain(Stream& stream) {
  while (!stream.pending.empty()) run_first(stream);
}

void Device::drain_until(Event& event, long count) {
  while (event.reached < count && event.stream != nullptr && !event.stream->pending.empty()) run_first(*event.stream);
}

}  // namespace stand_in
