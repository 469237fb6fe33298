#include "decoder_node.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stand_in/ledger.h"

namespace stand_in {
namespace {

constexpr std::uint32_t kMinimum = 4;  // pictures that decoding needs
constexpr std::int64_t kPage = 4096;
constexpr int kWiped = 0xEE;           // what a picture is full of once it was handed back

std::uint32_t whole(std::uint32_t size, std::uint32_t unit) { return (size + unit - 1) / unit * unit; }

std::uint32_t size_of(int fd) {
  struct stat file {};
  return fstat(fd, &file) == 0 ? static_cast<std::uint32_t>(file.st_size) : 0;
}

Side::Memory make_memory(std::uint32_t size_bytes) {
  Side::Memory memory;
  memory.fd = make_memory_fd();
  memory.size_bytes = size_bytes;
  if (memory.fd < 0 || ftruncate(memory.fd, size_bytes) != 0) return memory;
  void* mapped = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
  memory.mapped = mapped == MAP_FAILED ? nullptr : mapped;
  return memory;
}

}  // namespace

void Side::drop_all() {
  for (const Slot& slot : slots) {
    for (const Memory& memory : slot.memories) {
      if (memory.mapped != nullptr) munmap(memory.mapped, memory.size_bytes);
      if (memory.fd >= 0) close(memory.fd);
    }
  }
  slots.clear();
  forget_queues();
}

void Side::forget_queues() {
  queued.clear();
  done.clear();
  for (Slot& slot : slots) slot.state = Slot::kOut;
}

DecoderNode::DecoderNode(Habit habit) : habit_(habit) {}

DecoderNode::~DecoderNode() {
  coded_.drop_all();
  pictures_.drop_all();
}

int DecoderNode::broken(const char* rule, int code) {
  Ledger::get().broken(rule);
  return code;
}

Side* DecoderNode::side(std::uint32_t type) {
  return type == v4l2::kOutputMplane ? &coded_ : type == v4l2::kCaptureMplane ? &pictures_ : nullptr;
}

int DecoderNode::call(unsigned long request, void* argument) {
  switch (request) {
    case v4l2::kQueryCapabilities: {
      auto& facts = *static_cast<v4l2::Capability*>(argument);
      facts = {};
      std::strcpy(reinterpret_cast<char*>(facts.card), "stand-in decoder");
      facts.capabilities = v4l2::kCapM2mMplane | v4l2::kCapDeviceCaps;
      facts.device_caps = v4l2::kCapM2mMplane;
      return 0;
    }
    case v4l2::kSetFormat: return set_format(*static_cast<v4l2::Format*>(argument));
    case v4l2::kGetFormat: return get_format(*static_cast<v4l2::Format*>(argument));
    case v4l2::kRequestBuffers: return request_buffers(*static_cast<v4l2::RequestBuffers*>(argument));
    case v4l2::kQueryBuffer: return query(*static_cast<v4l2::Buffer*>(argument));
    case v4l2::kQueueBuffer: return queue(*static_cast<v4l2::Buffer*>(argument));
    case v4l2::kDequeueBuffer: return dequeue(*static_cast<v4l2::Buffer*>(argument));
    case v4l2::kExportBuffer: return export_fd(*static_cast<v4l2::ExportBuffer*>(argument));
    case v4l2::kStreamOn: return stream(*static_cast<std::uint32_t*>(argument), true);
    case v4l2::kStreamOff: return stream(*static_cast<std::uint32_t*>(argument), false);
    case v4l2::kDecoderCommand: return command(*static_cast<v4l2::DecoderCommand*>(argument));
    case v4l2::kSubscribeEvent:
      if (static_cast<v4l2::EventSubscription*>(argument)->type != v4l2::kEventSourceChange) return EINVAL;
      is_subscribed_ = true;
      return 0;
    case v4l2::kDequeueEvent:
      if (!has_event_) return habit_.is_surface ? EAGAIN : ENOENT;
      has_event_ = false;
      static_cast<v4l2::Event*>(argument)->type = v4l2::kEventSourceChange;
      return 0;
    case v4l2::kGetControl: {
      auto& control = *static_cast<v4l2::Control*>(argument);
      if (control.id != v4l2::kMinCaptureBuffers || layout_.width_px == 0) return EINVAL;
      control.value = kMinimum;
      return 0;
    }
    case v4l2::kGetSelection: {
      auto& selection = *static_cast<v4l2::Selection*>(argument);
      if (habit_.is_surface) return ENOTTY;
      if (selection.type != v4l2::kCapture || selection.target != v4l2::kTargetCompose) return EINVAL;
      selection.rectangle = {0, 0, visible_width_, visible_height_};
      return 0;
    }
    case v4l2::kGetCrop:
      if (!habit_.is_surface) return ENOTTY;
      static_cast<v4l2::Crop*>(argument)->rectangle = {0, 0, visible_width_, visible_height_};
      return 0;
    default: return ENOTTY;
  }
}

int DecoderNode::set_format(v4l2::Format& format) {
  if (format.type == v4l2::kCaptureMplane) {
    if (!pictures_.slots.empty()) return broken("S_FMT of pictures: their buffers are still there", EBUSY);
    return get_format(format);  // a driver puts what it can do in place of what was asked
  }
  if (format.type != v4l2::kOutputMplane) return EINVAL;
  if (!coded_.slots.empty()) return broken("S_FMT of the codec: its buffers are there", EBUSY);
  const bool is_h264 = format.pixels.pixel_format == v4l2::kH264;
  if (!is_h264 && format.pixels.pixel_format != (habit_.is_surface ? v4l2::kH265 : v4l2::kHevc)) {
    format.pixels.pixel_format = v4l2::kH264;
    return 0;
  }
  film_ = std::make_unique<Film>(!is_h264);
  unit_bytes_ = whole(std::max(format.pixels.planes[0].size_bytes, 65536U), static_cast<std::uint32_t>(kPage));
  format.pixels.planes[0].size_bytes = unit_bytes_;
  format.pixels.plane_count = 1;
  return 0;
}

int DecoderNode::get_format(v4l2::Format& format) {
  if (format.type != v4l2::kCaptureMplane) return EINVAL;
  if (layout_.width_px == 0) return broken("G_FMT of pictures before the source-change event", EINVAL);
  v4l2::Pixels& pixels = format.pixels;
  pixels = {};
  pixels.width_px = layout_.width_px;
  pixels.height_px = layout_.height_px;
  pixels.pixel_format = habit_.fourcc;
  pixels.encoding = static_cast<std::uint8_t>(matrix_);
  pixels.quantization = is_full_range_ ? v4l2::kFullRange : 2;
  pixels.plane_count = static_cast<std::uint8_t>(habit_.memories);
  for (std::uint32_t plane = 0; plane < habit_.memories; ++plane) {
    pixels.planes[plane].stride_bytes = layout_.pitch_bytes[plane];
    pixels.planes[plane].size_bytes = habit_.memories == 1 ? layout_.data_bytes : layout_.size_bytes[plane];
  }
  return 0;
}

/// Pictures are decoded in whole blocks of 16 by 16.
void DecoderNode::describe_format() {
  const Shown& next = shown_.front();
  visible_width_ = next.width_px;
  visible_height_ = next.height_px;
  is_full_range_ = next.is_full_range;
  matrix_ = next.matrix;
  const bool is_planar = habit_.fourcc == v4l2::kYuv420 || habit_.fourcc == v4l2::kYuv420M;
  layout_ = {};
  layout_.width_px = whole(next.width_px, 16);
  layout_.height_px = whole(next.height_px, 16);
  layout_.color_format = is_planar ? 2 : matrix_ == 2 ? 33 : 6;
  layout_.is_block_linear = habit_.is_surface ? 1 : 0;
  layout_.plane_count = is_planar ? 3 : 2;
  for (std::uint32_t plane = 0; plane < layout_.plane_count; ++plane) {
    layout_.row_bytes[plane] = plane != 0 && is_planar ? layout_.width_px / 2 : layout_.width_px;
    layout_.rows[plane] = plane == 0 ? layout_.height_px : layout_.height_px / 2;
  }
  place_planes(layout_);
  if (habit_.is_surface) return;
  std::uint32_t offset = 0;  // rows without gaps: planes of one memory follow each other, chroma half as far apart
  for (std::uint32_t plane = 0; plane < layout_.plane_count; ++plane) {
    layout_.pitch_bytes[plane] = plane != 0 && is_planar ? layout_.pitch_bytes[0] / 2 : layout_.pitch_bytes[0];
    layout_.size_bytes[plane] = layout_.pitch_bytes[plane] * layout_.rows[plane];
    layout_.offset_bytes[plane] = habit_.memories == 1 ? offset : 0;
    offset += layout_.size_bytes[plane];
  }
  layout_.data_bytes = offset;
}

int DecoderNode::request_buffers(v4l2::RequestBuffers& wish) {
  Side* const asked = side(wish.type);
  if (asked == nullptr || wish.memory != v4l2::kMmap) return EINVAL;
  if (asked->is_streaming) return broken("REQBUFS while the side streams", EBUSY);
  asked->drop_all();
  if (wish.count == 0) return 0;
  if (asked == &coded_ ? film_ == nullptr : layout_.width_px == 0) return broken("REQBUFS before a format is set", EINVAL);
  if (asked == &pictures_ && wish.count < kMinimum) return broken("REQBUFS: fewer pictures than decoding needs", EINVAL);
  wish.count = std::min(wish.count, 32U);
  for (std::uint32_t index = 0; index < wish.count; ++index) {
    Side::Slot slot;
    if (asked == &coded_) {
      slot.memories.push_back(make_memory(unit_bytes_));
    } else if (habit_.is_surface || habit_.memories == 1) {
      Side::Memory memory = make_memory(layout_.data_bytes + static_cast<std::uint32_t>(sizeof layout_));
      std::memcpy(static_cast<char*>(memory.mapped) + layout_.data_bytes, &layout_, sizeof layout_);
      slot.memories.push_back(memory);
    } else {
      for (std::uint32_t plane = 0; plane < habit_.memories; ++plane) {
        slot.memories.push_back(make_memory(layout_.size_bytes[plane]));
      }
    }
    asked->slots.push_back(slot);
  }
  return 0;
}

int DecoderNode::query(v4l2::Buffer& buffer) {
  Side* const asked = side(buffer.type);
  if (asked == nullptr || buffer.index >= asked->slots.size()) return broken("QUERYBUF: no such buffer", EINVAL);
  const std::uint32_t count = asked == &coded_ ? 1 : habit_.memories;
  if (buffer.plane_count < count) return broken("QUERYBUF: too few planes", EINVAL);
  buffer.plane_count = count;
  for (std::uint32_t plane = 0; plane < count; ++plane) {
    const auto& memories = asked->slots[buffer.index].memories;
    buffer.planes[plane].length_bytes = memories[std::min<std::size_t>(plane, memories.size() - 1)].size_bytes;
    buffer.planes[plane].offset = static_cast<std::uint32_t>(buffer.index * kPage);
  }
  return 0;
}

void* DecoderNode::map(std::size_t size_bytes, std::int64_t offset) {
  const auto index = static_cast<std::size_t>(offset / kPage);
  if (index >= coded_.slots.size() || size_bytes != coded_.slots[index].memories[0].size_bytes) {
    Ledger::get().broken("mmap: no coded buffer of that offset and size");
    return nullptr;
  }
  void* mapped = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, coded_.slots[index].memories[0].fd, 0);
  return mapped == MAP_FAILED ? nullptr : mapped;
}

int DecoderNode::export_fd(v4l2::ExportBuffer& wish) {
  if (wish.type != v4l2::kCaptureMplane || wish.index >= pictures_.slots.size() || wish.plane >= habit_.memories) {
    return broken("EXPBUF: no such picture", EINVAL);
  }
  const auto& memories = pictures_.slots[wish.index].memories;
  wish.fd = dup(memories[std::min<std::size_t>(wish.plane, memories.size() - 1)].fd);
  return wish.fd >= 0 && size_of(wish.fd) > 0 ? 0 : EMFILE;
}

int DecoderNode::queue(v4l2::Buffer& buffer) {
  Side* const asked = side(buffer.type);
  if (asked == nullptr || buffer.memory != v4l2::kMmap || buffer.index >= asked->slots.size()) {
    return broken("QBUF: no such buffer", EINVAL);
  }
  Side::Slot& slot = asked->slots[buffer.index];
  if (slot.state != Side::Slot::kOut) return broken("QBUF: the device has the buffer already", EINVAL);
  if (buffer.plane_count != (asked == &coded_ ? 1 : habit_.memories)) return broken("QBUF: another number of planes", EINVAL);
  if (asked == &coded_) {
    if (buffer.planes[0].used_bytes > slot.memories[0].size_bytes) return broken("QBUF: more than the buffer holds", EINVAL);
    if (is_ending_) return broken("QBUF: a unit behind the end", EINVAL);
    if ((buffer.flags & v4l2::kFlagTimestampCopy) == 0) return broken("QBUF: a unit whose time is not to be copied", EINVAL);
    if (!habit_.is_surface && buffer.planes[0].used_bytes == 0) return broken("QBUF: an empty unit", EINVAL);
  } else {
    for (const Side::Memory& memory : slot.memories) {
      std::memset(memory.mapped, kWiped, habit_.memories == 1 || habit_.is_surface ? layout_.data_bytes : memory.size_bytes);
    }
  }
  slot.state = Side::Slot::kQueued;
  slot.used_bytes = buffer.planes[0].used_bytes;
  slot.time = buffer.timestamp;
  slot.flags = 0;
  asked->queued.push_back(buffer.index);
  return 0;
}

int DecoderNode::dequeue(v4l2::Buffer& buffer) {
  Side* const asked = side(buffer.type);
  if (asked == nullptr || buffer.memory != v4l2::kMmap) return broken("DQBUF: no such side", EINVAL);
  if (!asked->is_streaming) return broken("DQBUF: the side does not stream", EINVAL);
  if (asked == &pictures_ || !pictures_.is_streaming) work();
  if (asked->done.empty()) return asked == &pictures_ && is_last_taken_ ? EPIPE : EAGAIN;
  const std::uint32_t index = asked->done.front();
  asked->done.pop_front();
  Side::Slot& slot = asked->slots[index];
  slot.state = Side::Slot::kOut;
  buffer.index = index;
  buffer.flags = slot.flags;
  buffer.timestamp = slot.time;
  buffer.plane_count = asked == &coded_ ? 1 : habit_.memories;
  for (std::uint32_t plane = 0; plane < buffer.plane_count; ++plane) buffer.planes[plane].used_bytes = slot.used_bytes;
  if ((slot.flags & v4l2::kFlagLast) != 0) is_last_taken_ = true;
  return 0;
}

}  // namespace stand_in
