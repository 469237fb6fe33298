#include "decoder.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "edgecore/module.h"
#include "pictures.h"
#include "queue.h"
#include "surfaces.h"

namespace edgecore::v4l2 {
namespace {

using edgecore::abi::Code;
using edgecore::abi::Codec;
using edgecore::abi::Error;
using edgecore::abi::Picture;
using module::fail;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kUnitBytes = 4U << 20U;  // an intra picture of 4K video at its worst
// How long nothing may happen before ...
constexpr std::chrono::milliseconds kNoLastPicture{200};  // ... a change is taken for complete without its mark
constexpr std::chrono::seconds kNoPicture{2};             // ... a stream that ended is taken to hold none
constexpr std::chrono::seconds kStalled{10};              // ... the decoder is given up

class Decoder final : public edgecore::abi::Decoder {
 public:
  Decoder() : coded_(device_) {}
  ~Decoder() { stop(); }

  Code open(const Node& node, Codec codec, Error* error) noexcept {
    surfaces_ = node.is_surface() ? &surfaces() : nullptr;
    if (!device_.open(*node.door, node.path)) return failed(node.path.c_str(), errno, error);
    abi::EventSubscription wish{};
    wish.type = abi::kEventSourceChange;
    if (int code = device_.call(abi::kSubscribeEvent, &wish); code != 0) {
      return failed("VIDIOC_SUBSCRIBE_EVENT", code, error);
    }
    abi::Format format{};
    if (!set_codec(device_, codec, kUnitBytes, format)) {
      return fail(error, Code::kUnsupported, "%s does not decode H.26%c", node.path.c_str(), codec == Codec::kH264 ? '4' : '5');
    }
    return coded_.open(format, error);
  }

  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    if (size_bytes == 0) {
      if (is_fresh_) is_over_ = true;  // of nothing, nothing comes out
      is_ending_ = true;
      return Code::kOk;
    }
    if (is_over_ && !is_fresh_) {
      if (Code code = restart(error); code != Code::kOk) return code;
    }
    is_fresh_ = is_over_ = is_ending_ = false;
    return coded_.add(bytes, size_bytes, pts_us, error);
  }

  Code pull(Picture* picture, std::int32_t* has_picture, Error* error) noexcept override {
    *has_picture = 0;
    if (!std::exchange(is_asked_again_, false)) last_moved_ = Clock::now();
    for (;;) {
      bool moved = false;
      if (Code code = step(moved, error); code != Code::kOk) return code;
      if (!ready_.empty()) {
        *picture = ready_.front();
        ready_.pop_front();
        *has_picture = 1;
        return Code::kOk;
      }
      if (damaged_us_) {
        const double time_s = static_cast<double>(*std::exchange(damaged_us_, std::nullopt)) / 1000000;
        return fail(error, Code::kCorrupt, "the picture at %.3f s is damaged", time_s);
      }
      if (is_over_ || (!is_ending_ && !coded_.is_waiting())) return Code::kOk;
      if (moved) {
        last_moved_ = Clock::now();
        continue;
      }
      const auto idle = Clock::now() - last_moved_;
      // Without a buffer the device can give neither the mark nor the pictures before it.
      if (is_changing_ && set_->held() < set_->buffers().size() && idle > kNoLastPicture) {
        if (Code code = change(error); code != Code::kOk) return code;
        last_moved_ = Clock::now();
      } else if (is_end_told_ && set_ == nullptr && idle > kNoPicture) {
        is_over_ = true;
        return fail(error, Code::kCorrupt, "the stream ends before the decoder finds a picture in it");
      } else if (idle > kStalled) {
        return fail(error, Code::kSdk, "the decoder stands still: %zu of its %zu pictures are held, %s",
                    set_ != nullptr ? set_->held() : 0, set_ != nullptr ? set_->buffers().size() : 0,
                    is_end_told_ ? "its end does not come" : "its coded buffers are full");
      }
      if (!former_.empty() || (set_ != nullptr && set_->held() > 0)) {  // their users cannot hand them back meanwhile
        *has_picture = edgecore::abi::kAskAgain;
        is_asked_again_ = true;
        return Code::kOk;
      }
      device_.wait();
    }
  }

  void recycle(Picture* picture) noexcept override {
    auto* buffer = static_cast<PictureBuffer*>(std::exchange(picture->token, nullptr));
    if (buffer == nullptr) return;
    buffer->is_held = false;
    last_moved_ = Clock::now();
    if (buffer->set == set_.get()) {
      if (failure_ == Code::kOk) failure_ = set_->queue(device_, *buffer, &reason_);
      return;
    }
    const auto is_idle = [](const std::unique_ptr<PictureSet>& set) { return set->held() == 0; };
    former_.erase(std::remove_if(former_.begin(), former_.end(), is_idle), former_.end());
  }

  Code download(const Picture& picture, Picture* host, Error* error) noexcept override {
    auto* buffer = static_cast<PictureBuffer*>(picture.token);
    if (buffer == nullptr || host->width_px != picture.width_px || host->height_px != picture.height_px ||
        host->layout != picture.layout) {
      return fail(error, Code::kInvalidArgument, "download: not a picture of this decoder's, or into another size");
    }
    for (int plane = 0; plane < plane_count(picture); ++plane) {
      const auto stride = static_cast<std::size_t>(std::max(host->stride_bytes[plane], 0));
      if (host->planes[plane] == nullptr || stride < row_bytes(picture, plane)) {
        return fail(error, Code::kInvalidArgument, "download: plane %d has no room for rows of %zu bytes", plane,
                    row_bytes(picture, plane));
      }
    }
    if (surfaces_ != nullptr) return surfaces_->read(picture, *host, error);
    return buffer->set->read(*buffer, *host, error);
  }

  void release() noexcept override { delete this; }

 private:
  /// All that can be done without waiting.
  Code step(bool& moved, Error* error) noexcept {
    if (failure_ != Code::kOk) return fail(error, failure_, "%s", reason_.text);
    if (Code code = coded_.feed(moved, error); code != Code::kOk) return code;
    if (is_ending_ && !is_over_ && !is_end_told_ && !coded_.is_waiting()) {
      if (Code code = coded_.end(is_end_told_, error); code != Code::kOk) return code;
      moved = moved || is_end_told_;
    }
    if (set_ != nullptr && !is_last_seen_ && !damaged_us_) {
      if (Code code = take_pictures(moved, error); code != Code::kOk) return code;
    }
    // Asked after the pictures: the event is there before the last of the former format can be taken.
    for (abi::Event event{}; device_.call(abi::kDequeueEvent, &event) == 0; event = {}) {
      if (event.type != abi::kEventSourceChange) continue;
      is_changing_ = moved = true;
    }
    if (is_changing_ && (set_ == nullptr || is_last_seen_)) {
      moved = true;
      return change(error);
    }
    if (is_last_seen_ && is_end_told_) is_over_ = true;
    return Code::kOk;
  }

  Code take_pictures(bool& moved, Error* error) noexcept {
    for (;;) {
      abi::BufferPlane planes[8] = {};
      abi::Buffer found{};
      found.type = abi::kCaptureMplane;
      found.memory = abi::kMmap;
      found.planes = planes;
      found.plane_count = 8;
      const int code = device_.call(abi::kDequeueBuffer, &found);
      if (code == EAGAIN) return Code::kOk;
      if (code == EPIPE) {  // the last one has been taken
        is_last_seen_ = moved = true;
        return Code::kOk;
      }
      if (code != 0) return failed("VIDIOC_DQBUF of a picture", code, error);
      if (found.index >= set_->buffers().size()) return fail(error, Code::kSdk, "VIDIOC_DQBUF: no picture %u", found.index);
      moved = true;
      PictureBuffer& buffer = set_->buffers()[found.index];
      const bool is_empty = planes[0].used_bytes == 0;
      // NVIDIA's plug-in and older drivers mark the end by an empty picture alone.
      const bool is_damaged = (found.flags & abi::kFlagError) != 0;
      is_last_seen_ = (found.flags & abi::kFlagLast) != 0 || (is_empty && is_end_told_ && !is_damaged);
      const std::int64_t pts_us = std::int64_t{found.timestamp.tv_sec} * 1000000 + found.timestamp.tv_usec;
      if (is_damaged) damaged_us_ = pts_us;
      if (!is_empty && !damaged_us_) {
        Picture picture = set_->like();
        picture.dma_fd = buffer.memories[0].fd;
        picture.pts_us = pts_us;
        picture.token = &buffer;
        buffer.is_held = true;
        ready_.push_back(picture);
      } else if (!is_last_seen_) {
        if (Code queued = set_->queue(device_, buffer, error); queued != Code::kOk) return queued;
      }
      if (is_last_seen_ || damaged_us_) return Code::kOk;
    }
  }

  /// The decoder has found out how large its pictures are, for the first time or anew.
  Code change(Error* error) noexcept {
    is_changing_ = is_last_seen_ = false;
    if (set_ != nullptr) {
      if (Code code = stream(abi::kStreamOff, "VIDIOC_STREAMOFF", abi::kCaptureMplane, error); code != Code::kOk) return code;
      if (set_->held() > 0) former_.push_back(std::move(set_));
      set_.reset();
      abi::RequestBuffers none{};
      none.type = abi::kCaptureMplane;
      none.memory = abi::kMmap;
      if (int code = device_.call(abi::kRequestBuffers, &none); code == EBUSY) {
        return fail(error, Code::kUnsupported, "the video changes its size while %zu pictures of the former are in use, "
                    "which this driver does not allow", former_.empty() ? 0 : former_.back()->held());
      } else if (code != 0) {
        return failed("VIDIOC_REQBUFS of none", code, error);
      }
    }
    auto set = std::make_unique<PictureSet>();
    if (Code code = set->open(device_, error); code != Code::kOk) return code;
    set_ = std::move(set);
    return start_pictures(error);
  }

  Code start_pictures(Error* error) noexcept {
    for (PictureBuffer& buffer : set_->buffers()) {
      if (buffer.is_held) continue;
      if (Code code = set_->queue(device_, buffer, error); code != Code::kOk) return code;
    }
    return stream(abi::kStreamOn, "VIDIOC_STREAMON", abi::kCaptureMplane, error);
  }

  /// Another stream after the end of one: both sides are emptied.
  Code restart(Error* error) noexcept {
    is_last_seen_ = is_end_told_ = false;
    if (Code code = coded_.restart(error); code != Code::kOk) return code;
    if (set_ == nullptr) return Code::kOk;
    if (Code code = stream(abi::kStreamOff, "VIDIOC_STREAMOFF", abi::kCaptureMplane, error); code != Code::kOk) return code;
    return start_pictures(error);
  }

  Code stream(unsigned long request, const char* call, int type, Error* error) noexcept {
    const int code = device_.call(request, &type);
    return code == 0 ? Code::kOk : failed(call, code, error);
  }

  void stop() noexcept {
    if (!device_.is_open()) return;
    stream(abi::kStreamOff, "", abi::kOutputMplane, nullptr);
    if (set_ != nullptr) stream(abi::kStreamOff, "", abi::kCaptureMplane, nullptr);
  }

  Device device_;
  Surfaces* surfaces_ = nullptr;  // null: dma-bufs that the CPU reads as they are
  CodedQueue coded_;
  std::unique_ptr<PictureSet> set_;                  // of the present format
  std::vector<std::unique_ptr<PictureSet>> former_;  // of which pictures are held
  std::deque<Picture> ready_;
  std::optional<std::int64_t> damaged_us_;  // of a picture whose turn comes after those
  Clock::time_point last_moved_;
  bool is_asked_again_ = false;  // the caller waits between two calls
  Code failure_ = Code::kOk;  // of recycle(), which cannot tell
  Error reason_;
  bool is_fresh_ = true;
  bool is_ending_ = false, is_end_told_ = false, is_over_ = false;
  bool is_changing_ = false;   // an event said so
  bool is_last_seen_ = false;  // of the format, or of all
};

}  // namespace

Code open_decoder(const std::vector<Node>& nodes, const edgecore::abi::DecoderSpec& spec,
                  edgecore::abi::Decoder** decoder, Error* error) noexcept {
  if (spec.codec != Codec::kH264 && spec.codec != Codec::kH265) {
    return fail(error, Code::kUnsupported, "v4l2 decodes H.264 and H.265 alone");
  }
  if (spec.device < 0) return fail(error, Code::kInvalidArgument, "device %d: 0 is the first", spec.device);
  Code code = Code::kOk;
  std::int32_t left = spec.device;
  for (const Node& node : nodes) {
    auto opened = std::make_unique<Decoder>();
    code = opened->open(node, spec.codec, error);
    if (code == Code::kUnsupported) continue;
    if (code == Code::kOk && left-- > 0) continue;
    if (code == Code::kOk) *decoder = opened.release();
    return code;
  }
  if (code != Code::kOk) return code;
  return fail(error, Code::kInvalidArgument, "device %d: %d V4L2 decoders take this codec (0 is the first)", spec.device,
              spec.device - left);
}

}  // namespace edgecore::v4l2
