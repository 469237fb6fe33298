// The coded side of a decoder: units go into the device's buffers, and wait here while it has none free.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "abi/videodev.h"
#include "edgecore/abi.h"
#include "node.h"

namespace edgecore::v4l2 {

class CodedQueue {
 public:
  explicit CodedQueue(const Device& device) noexcept : device_(device) {}
  CodedQueue(const CodedQueue&) = delete;
  CodedQueue& operator=(const CodedQueue&) = delete;
  ~CodedQueue();

  /// `format`: the codec as the device has accepted it.
  edgecore::abi::Code open(const abi::Format& format, edgecore::abi::Error* error) noexcept;
  edgecore::abi::Code add(const void* bytes, std::size_t size_bytes, std::int64_t pts_us,
                          edgecore::abi::Error* error) noexcept;
  /// Takes back what was read and hands over what waits. `moved`: something was.
  edgecore::abi::Code feed(bool& moved, edgecore::abi::Error* error) noexcept;
  bool is_waiting() const noexcept { return !waiting_.empty(); }

  /// Tells the device that nothing follows; is_told stays false while no buffer is free for it.
  edgecore::abi::Code end(bool& is_told, edgecore::abi::Error* error) noexcept;
  /// For another stream, after the end of one.
  edgecore::abi::Code restart(edgecore::abi::Error* error) noexcept;

 private:
  struct Slot {
    void* address = nullptr;
    std::size_t size_bytes = 0;
    bool is_queued = false;
  };
  struct Unit {
    std::vector<unsigned char> bytes;
    std::int64_t pts_us = 0;
  };
  Slot* free_slot() noexcept;
  edgecore::abi::Code queue(Slot& slot, const void* bytes, std::size_t size_bytes, std::int64_t pts_us,
                            edgecore::abi::Error* error) noexcept;

  const Device& device_;
  std::vector<Slot> slots_;
  std::deque<Unit> waiting_;
};

}  // namespace edgecore::v4l2
