// A stateful decoder as the kernel's documents have it, which is strict with its caller: what is out of order is a broken
// rule in the ledger, beside the error that a driver would give.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "abi/videodev.h"
#include "film.h"
#include "tests/stand_in/surface_file.h"

namespace stand_in {

namespace v4l2 = edgecore::v4l2::abi;

/// What decoders differ in.
struct Habit {
  bool is_surface = false;       // pictures are block linear; no commands, no selection, no last mark: as on a Jetson
  std::uint32_t fourcc = v4l2::kNv12;
  std::uint32_t memories = 1;
  bool marks_end = true;         // else, as older drivers do, an empty picture is all, after the command too
};

/// Pictures or coded units that the device holds.
struct Side {
  struct Memory {
    int fd = -1;
    std::uint32_t size_bytes = 0;
    void* mapped = nullptr;  // the stand-in's own view
  };
  struct Slot {
    std::vector<Memory> memories;
    enum { kOut, kQueued, kDone } state = kOut;
    std::uint32_t flags = 0;
    std::uint32_t used_bytes = 0;
    timeval time{};
  };
  const char* title;
  std::vector<Slot> slots;
  std::deque<std::uint32_t> queued, done;
  bool is_streaming = false;

  void drop_all();
  void forget_queues();
};

class DecoderNode {
 public:
  explicit DecoderNode(Habit habit);
  DecoderNode(const DecoderNode&) = delete;
  DecoderNode& operator=(const DecoderNode&) = delete;
  ~DecoderNode();

  /// 0 or errno.
  int call(unsigned long request, void* argument);
  /// The coded buffer whose offset was told by QUERYBUF; nullptr: none.
  void* map(std::size_t size_bytes, std::int64_t offset);

 private:
  Side* side(std::uint32_t type);
  int set_format(v4l2::Format& format);
  int get_format(v4l2::Format& format);
  int request_buffers(v4l2::RequestBuffers& wish);
  int query(v4l2::Buffer& buffer);
  int queue(v4l2::Buffer& buffer);
  int dequeue(v4l2::Buffer& buffer);
  int export_fd(v4l2::ExportBuffer& wish);
  int stream(std::uint32_t type, bool is_on);
  int command(const v4l2::DecoderCommand& wish);
  void work();
  void deliver();
  bool is_other(const Shown& picture) const;
  void give_up_pictures();
  void show(const Shown& picture, Side::Slot& slot);
  void finish(std::uint32_t flags, std::uint32_t used_bytes, std::int64_t pts_us);
  void describe_format();
  int broken(const char* rule, int code);

  Habit habit_;
  Side coded_{"coded", {}, {}, {}, false};
  Side pictures_{"picture", {}, {}, {}, false};
  std::unique_ptr<Film> film_;
  std::deque<Shown> shown_;
  SurfaceFile layout_;             // of the present format; no size: none is known
  bool is_full_range_ = false;
  int matrix_ = 0;
  std::uint32_t visible_width_ = 0, visible_height_ = 0;
  std::uint32_t unit_bytes_ = 0;
  bool is_subscribed_ = false, has_event_ = false;
  bool is_changing_ = false;       // from the event until pictures of the new format stream
  bool is_changed_mark_due_ = false;
  bool is_change_told_ = false;    // by the event; the mark is to come
  bool is_ending_ = false, is_flushed_ = false, is_last_out_ = false, is_last_taken_ = false;
};

}  // namespace stand_in
