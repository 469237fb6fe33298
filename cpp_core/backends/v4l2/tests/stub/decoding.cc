// What the decoder of the stand-in does between its caller's calls.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "decoder_node.h"
#include "tests/stand_in/ledger.h"

namespace stand_in {
namespace {

constexpr std::size_t kAhead = 3;  // pictures decoded before there is room for them

}  // namespace

int DecoderNode::stream(std::uint32_t type, bool is_on) {
  Side* const asked = side(type);
  if (asked == nullptr) return EINVAL;
  if (is_on && asked->slots.empty()) return broken("STREAMON without buffers", EINVAL);
  if (is_on && !is_subscribed_) return broken("STREAMON: nobody listens for source changes", EINVAL);
  if (is_on && asked == &pictures_) is_changing_ = false;
  if (!is_on) {
    asked->forget_queues();
    if (asked == &coded_ && asked->is_streaming) {  // as after a seek
      film_->rewind();
      shown_.clear();
      is_ending_ = is_flushed_ = is_last_out_ = is_last_taken_ = is_change_told_ = false;
    }
    if (asked == &pictures_) {
      is_last_taken_ = false;
      if (is_change_told_) give_up_pictures();
    }
  }
  asked->is_streaming = is_on;
  return 0;
}

int DecoderNode::command(const v4l2::DecoderCommand& wish) {
  if (habit_.is_surface) return ENOTTY;
  if (wish.command != v4l2::kCommandStop) return EINVAL;
  if (!coded_.is_streaming) return broken("STOP: the coded side does not stream", EINVAL);
  is_ending_ = true;
  return 0;
}

/// One unit at a time, so that its caller finds it busy.
void DecoderNode::work() {
  if (coded_.is_streaming && !coded_.queued.empty() && shown_.size() < kAhead) {
    const std::uint32_t index = coded_.queued.front();
    coded_.queued.pop_front();
    Side::Slot& slot = coded_.slots[index];
    const std::int64_t pts_us = std::int64_t{slot.time.tv_sec} * 1000000 + slot.time.tv_usec;
    if (slot.used_bytes == 0) {
      is_ending_ = true;
    } else {
      film_->decode(slot.memories[0].mapped, slot.used_bytes, pts_us, shown_);
    }
    slot.state = Side::Slot::kDone;
    coded_.done.push_back(index);
  } else if (is_ending_ && !is_flushed_ && coded_.queued.empty()) {
    film_->decode(nullptr, 0, 0, shown_);
    is_flushed_ = true;
  }
  deliver();
}

bool DecoderNode::is_other(const Shown& picture) const {
  return layout_.width_px == 0 || picture.width_px != visible_width_ || picture.height_px != visible_height_;
}

/// Its caller has closed the old format before the mark: what was not taken of it is lost.
void DecoderNode::give_up_pictures() {
  while (!is_other(shown_.front())) shown_.pop_front();
  is_change_told_ = false;
  describe_format();
  is_changing_ = true;
}

void DecoderNode::deliver() {
  // Kernels' drivers tell of a change as they read of it, while pictures of the old format still wait for buffers.
  if (pictures_.is_streaming && !habit_.is_surface && !is_changing_ && !is_change_told_ &&
      std::any_of(shown_.begin(), shown_.end(), [this](const Shown& each) { return is_other(each); })) {
    has_event_ = is_change_told_ = true;
  }
  while (!is_changing_) {
    if (!shown_.empty() && is_other(shown_.front())) {
      is_changed_mark_due_ = pictures_.is_streaming && !habit_.is_surface;
      if (is_changed_mark_due_ && pictures_.queued.empty()) return;  // the mark takes a buffer
      if (is_changed_mark_due_) finish(v4l2::kFlagLast, 0, 0);
      describe_format();
      has_event_ = has_event_ || !is_change_told_;
      is_change_told_ = false;
      is_changing_ = true;
      return;
    }
    if (!pictures_.is_streaming || pictures_.queued.empty()) return;
    if (shown_.empty()) {
      if (!is_flushed_ || is_last_out_) return;
      is_last_out_ = true;
      return finish(habit_.is_surface || !habit_.marks_end ? 0 : v4l2::kFlagLast, 0, 0);
    }
    const Shown picture = std::move(shown_.front());
    shown_.pop_front();
    show(picture, pictures_.slots[pictures_.queued.front()]);
    finish(picture.is_damaged ? v4l2::kFlagError : 0, layout_.data_bytes, picture.pts_us);
  }
}

void DecoderNode::finish(std::uint32_t flags, std::uint32_t used_bytes, std::int64_t pts_us) {
  const std::uint32_t index = pictures_.queued.front();
  pictures_.queued.pop_front();
  Side::Slot& slot = pictures_.slots[index];
  slot.state = Side::Slot::kDone;
  slot.flags = flags;
  slot.used_bytes = used_bytes;
  slot.time.tv_sec = pts_us / 1000000;
  slot.time.tv_usec = pts_us % 1000000;
  pictures_.done.push_back(index);
}

void DecoderNode::show(const Shown& picture, Side::Slot& slot) {
  const bool is_planar = layout_.plane_count == 3;
  for (std::uint32_t plane = 0; plane < layout_.plane_count; ++plane) {
    const bool has_own = slot.memories.size() > 1;
    auto* const target = static_cast<unsigned char*>(slot.memories[has_own ? plane : 0].mapped);
    const std::size_t samples = plane == 0 ? picture.width_px : (picture.width_px + 1) / 2;
    const std::size_t rows = plane == 0 ? picture.height_px : (picture.height_px + 1) / 2;
    const std::size_t step = plane != 0 && !is_planar ? 2 : 1;
    for (std::size_t y = 0; y < rows; ++y) {
      for (std::size_t x = 0; x < samples; ++x) {
        for (std::size_t part = 0; part < step; ++part) {
          target[surface_offset(layout_, plane, x * step + part, y)] = picture.planes[plane + part][y * samples + x];
        }
      }
    }
  }
}

}  // namespace stand_in
