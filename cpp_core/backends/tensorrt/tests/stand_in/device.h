// The stand-in's GPU: memory that the host cannot touch, and streams whose work is done at the last moment allowed: when
// somebody waits. So a missing wait, a buffer used again too early or freed too early shows in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>

namespace stand_in {

struct Stream;

struct Event {
  Stream* stream = nullptr;  // where it was last recorded
  long recorded = 0;         // how often
  long reached = 0;
};

struct Work {
  std::function<void()> run;
  Event* wait_for = nullptr;  // reached so often, before anything behind it runs
  long wait_count = 0;
};

struct Stream {
  std::deque<Work> pending;
};

class Device {
 public:
  static Device& get();

  /// Freshly allocated memory is full of 0xA5. nullptr: none is left.
  void* allocate(std::size_t size_bytes, bool is_pinned);
  void free(void* address, bool is_pinned);
  /// A device address for memory that is somebody else's, until disown().
  void* adopt(unsigned char* bytes, std::size_t size_bytes);
  void disown(void* address);
  /// The host's address of `size_bytes` at a device address (or in pinned memory); null, and a rule broken, otherwise.
  unsigned char* bytes(const void* address, std::size_t size_bytes, const char* who);

  /// Does all that is pending in the stream, and what that waits for.
  void drain(Stream& stream);
  void drain_until(Event& event, long count);

 private:
  struct Block {
    std::size_t size_bytes = 0;
    bool is_pinned = false;
    std::unique_ptr<unsigned char[]> backing;  // of device memory; pinned memory is where its address says
    unsigned char* lent = nullptr;             // of what was adopted
  };
  void run_first(Stream& stream);
  std::uintptr_t take_addresses(std::size_t size_bytes);  // 0: none are left

  std::map<std::uintptr_t, Block> blocks_;
  std::uintptr_t reserve_ = 0;  // addresses that no access is allowed to; none is given out twice
  std::uintptr_t next_ = 0;
};

}  // namespace stand_in
