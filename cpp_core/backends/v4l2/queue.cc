#include "queue.h"

#include <cerrno>
#include <cstring>
#include <new>

#include "edgecore/module.h"
#include "pictures.h"

namespace edgecore::v4l2 {
namespace {

using edgecore::abi::Code;
using edgecore::abi::Error;
using module::fail;

constexpr std::uint32_t kSlots = 6;
constexpr std::int64_t kSecond = 1000000;

}  // namespace

CodedQueue::~CodedQueue() {
  for (const Slot& slot : slots_) {
    if (slot.address != nullptr) device_.unmap(slot.address, slot.size_bytes);
  }
}

Code CodedQueue::open(const abi::Format& format, Error* error) noexcept {
  if (format.pixels.plane_count > 1) return fail(error, Code::kUnsupported, "coded pictures in several planes");
  abi::RequestBuffers wish{};
  wish.count = kSlots;
  wish.type = abi::kOutputMplane;
  wish.memory = abi::kMmap;
  if (int code = device_.call(abi::kRequestBuffers, &wish); code != 0) return failed("VIDIOC_REQBUFS", code, error);
  slots_.resize(wish.count);
  for (std::uint32_t index = 0; index < wish.count; ++index) {
    abi::BufferPlane plane{};
    abi::Buffer buffer{};
    buffer.index = index;
    buffer.type = abi::kOutputMplane;
    buffer.memory = abi::kMmap;
    buffer.planes = &plane;
    buffer.plane_count = 1;
    if (int code = device_.call(abi::kQueryBuffer, &buffer); code != 0) return failed("VIDIOC_QUERYBUF", code, error);
    slots_[index].size_bytes = plane.length_bytes;
    slots_[index].address = device_.map(plane.length_bytes, plane.offset);
    if (slots_[index].address == nullptr) return failed("mmap of a coded buffer", errno, error);
  }
  int type = abi::kOutputMplane;
  const int code = device_.call(abi::kStreamOn, &type);
  return code == 0 ? Code::kOk : failed("VIDIOC_STREAMON", code, error);
}

Code CodedQueue::add(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept {
  if (size_bytes > slots_.front().size_bytes) {
    return fail(error, Code::kUnsupported, "an access unit of %zu bytes; the device takes %zu", size_bytes,
                slots_.front().size_bytes);
  }
  try {
    const auto* from = static_cast<const unsigned char*>(bytes);
    waiting_.push_back({{from, from + size_bytes}, pts_us});
  } catch (const std::bad_alloc&) {
    return fail(error, Code::kUnsupported, "no memory for an access unit of %zu bytes", size_bytes);
  }
  return Code::kOk;
}

CodedQueue::Slot* CodedQueue::free_slot() noexcept {
  for (Slot& slot : slots_) {
    if (!slot.is_queued) return &slot;
  }
  return nullptr;
}

Code CodedQueue::queue(Slot& slot, const void* bytes, std::size_t size_bytes, std::int64_t pts_us,
                       Error* error) noexcept {
  if (size_bytes != 0) std::memcpy(slot.address, bytes, size_bytes);
  abi::BufferPlane plane{};
  plane.used_bytes = static_cast<std::uint32_t>(size_bytes);
  plane.length_bytes = static_cast<std::uint32_t>(slot.size_bytes);
  abi::Buffer buffer{};
  buffer.index = static_cast<std::uint32_t>(&slot - slots_.data());
  buffer.type = abi::kOutputMplane;
  buffer.memory = abi::kMmap;
  buffer.flags = abi::kFlagTimestampCopy;
  const std::int64_t before = pts_us < 0 ? (pts_us - kSecond + 1) / kSecond : pts_us / kSecond;  // rounded down
  buffer.timestamp.tv_sec = before;
  buffer.timestamp.tv_usec = pts_us - before * kSecond;
  buffer.planes = &plane;
  buffer.plane_count = 1;
  if (int code = device_.call(abi::kQueueBuffer, &buffer); code != 0) return failed("VIDIOC_QBUF", code, error);
  slot.is_queued = true;
  return Code::kOk;
}

Code CodedQueue::feed(bool& moved, Error* error) noexcept {
  for (;;) {
    abi::BufferPlane plane{};
    abi::Buffer buffer{};
    buffer.type = abi::kOutputMplane;
    buffer.memory = abi::kMmap;
    buffer.planes = &plane;
    buffer.plane_count = 1;
    const int code = device_.call(abi::kDequeueBuffer, &buffer);
    if (code == EAGAIN) break;
    if (code != 0) return failed("VIDIOC_DQBUF of a coded buffer", code, error);
    if (buffer.index >= slots_.size()) return fail(error, Code::kSdk, "VIDIOC_DQBUF: no coded buffer %u", buffer.index);
    slots_[buffer.index].is_queued = false;
    moved = true;
  }
  while (!waiting_.empty()) {
    Slot* slot = free_slot();
    if (slot == nullptr) break;
    const Unit& unit = waiting_.front();
    if (Code code = queue(*slot, unit.bytes.data(), unit.bytes.size(), unit.pts_us, error); code != Code::kOk) return code;
    waiting_.pop_front();
    moved = true;
  }
  return Code::kOk;
}

Code CodedQueue::end(bool& is_told, Error* error) noexcept {
  abi::DecoderCommand command{};
  command.command = abi::kCommandStop;
  const int told = device_.call(abi::kDecoderCommand, &command);
  is_told = told == 0;
  if (is_told) return Code::kOk;
  if (told == EIO || told == ENODEV) return failed("VIDIOC_DECODER_CMD", told, error);
  // An empty buffer says it to those that know no commands (NVIDIA's samples; the kernel's older drivers). To others it is
  // a full one, of what was in it before.
  Slot* slot = free_slot();
  if (slot == nullptr) return Code::kOk;
  const Code code = queue(*slot, nullptr, 0, 0, error);
  is_told = code == Code::kOk;
  return code;
}

Code CodedQueue::restart(Error* error) noexcept {
  int type = abi::kOutputMplane;
  if (int code = device_.call(abi::kStreamOff, &type); code != 0) return failed("VIDIOC_STREAMOFF", code, error);
  for (Slot& slot : slots_) slot.is_queued = false;
  if (int code = device_.call(abi::kStreamOn, &type); code != 0) return failed("VIDIOC_STREAMON", code, error);
  return Code::kOk;
}

}  // namespace edgecore::v4l2
