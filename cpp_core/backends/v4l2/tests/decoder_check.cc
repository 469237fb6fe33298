// edgecore-v4l2-check MODULES UNITS VIDEO...: the videos one after the other as one stream, so that sizes may change in it,
// through the module's decoder, against what FFmpeg makes of each; then the first of them again. UNITS: of each video; 0: noise
// takes its place, in which no picture is.
// With "damaged" behind the videos: the fourth unit of each lost its second half.
// With "slow" behind the videos: once, and another thread keeps all pictures for a while, as streams in a batch do.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/decoder.h"
#include "edgecore/frame.h"
#include "tests/units.h"

extern "C" {
#include <libavcodec/avcodec.h>
}

namespace edgecore::v4l2 {
namespace {

constexpr std::size_t kHeld = 4;  // pictures in use at a time

struct Expected {
  std::int64_t pts_us = 0;
  std::int32_t width_px = 0, height_px = 0;
  std::uint64_t digest = 0;
  bool is_damaged = false;
};

int fail(const char* what, const std::string& why) {
  std::printf("%s: %s\n", what, why.c_str());
  return 1;
}

/// Pictures of the units by FFmpeg itself, in display order.
void expect(const std::vector<Unit>& units, std::vector<Expected>& expected) {
  const AVCodec* codec = avcodec_find_decoder(AV_CODEC_ID_H264);
  AVCodecContext* context = avcodec_alloc_context3(codec);
  context->thread_count = 1;
  avcodec_open2(context, codec, nullptr);
  AVFrame* shown = av_frame_alloc();
  AVPacket* packet = av_packet_alloc();
  for (std::size_t at = 0; at <= units.size(); ++at) {
    if (at < units.size() && av_new_packet(packet, static_cast<int>(units[at].bytes.size())) == 0) {
      std::copy(units[at].bytes.begin(), units[at].bytes.end(), packet->data);
      packet->pts = units[at].pts_us;
    }
    avcodec_send_packet(context, at < units.size() ? packet : nullptr);
    av_packet_unref(packet);
    while (avcodec_receive_frame(context, shown) == 0) {
      Frame frame;
      for (std::size_t plane = 0; plane < 3; ++plane) frame.planes[plane] = {shown->data[plane], shown->linesize[plane]};
      frame.width_px = shown->width;
      frame.height_px = shown->height;
      expected.push_back({shown->pts, shown->width, shown->height, digest(frame), shown->decode_error_flags != 0});
    }
  }
  av_packet_free(&packet);
  av_frame_free(&shown);
  avcodec_free_context(&context);
}

/// NV12 as planar pictures have it, so that both have one digest.
std::uint64_t planar_digest(const Frame& frame) {
  if (frame.layout == PixelLayout::kPlanar) return digest(frame);
  const auto width = static_cast<std::size_t>(frame.chroma_width_px());
  const auto height = static_cast<std::size_t>(frame.chroma_height_px());
  std::vector<std::uint8_t> chroma[2];
  for (std::size_t part = 0; part < 2; ++part) {
    for (std::size_t y = 0; y < height; ++y) {
      const std::uint8_t* row = frame.planes[1].data + y * static_cast<std::size_t>(frame.planes[1].stride_bytes);
      for (std::size_t x = 0; x < width; ++x) chroma[part].push_back(row[2 * x + part]);
    }
  }
  Frame planar = frame;
  planar.layout = PixelLayout::kPlanar;
  planar.planes[1] = {chroma[0].data(), static_cast<std::int32_t>(width)};
  planar.planes[2] = {chroma[1].data(), static_cast<std::int32_t>(width)};
  return digest(planar);
}

class Check {
 public:
  explicit Check(Decoder& decoder) : decoder_(decoder) {}

  /// 0 where every picture is the one expected; pictures stay held for a while, across changes of size too.
  int run(const std::vector<Unit>& units, const std::vector<Expected>& expected) {
    at_ = 0;
    for (std::size_t unit = 0; unit <= units.size(); ++unit) {
      const bool is_end = unit == units.size();
      const Status pushed = is_end ? decoder_.push(nullptr, 0, 0)
                                   : decoder_.push(units[unit].bytes.data(), units[unit].bytes.size(), units[unit].pts_us);
      if (!pushed) return fail("push", pushed.error().message);
      for (;;) {
        Result<std::optional<Frame>> frame = decoder_.pull();
        if (!frame && frame.error().code == Code::kCorrupt) {
          damaged_.push_back(frame.error().message);
          continue;
        }
        if (!frame) return fail("pull", frame.error().message);
        if (!frame->has_value()) break;
        held_.push_back(**frame);
        if (held_.size() <= kHeld) continue;
        if (int code = judge(expected); code != 0) return code;
      }
    }
    while (!held_.empty()) {
      if (int code = judge(expected); code != 0) return code;
    }
    skip_damaged(expected);
    if (!damaged_.empty()) return fail("pull", damaged_.front());
    if (at_ == expected.size()) return 0;
    return fail("end", std::to_string(at_) + " pictures of " + std::to_string(expected.size()));
  }
  std::size_t pictures() const { return pictures_; }

 private:
  /// Pictures that were told of and left out.
  void skip_damaged(const std::vector<Expected>& expected) {
    for (; at_ < expected.size() && expected[at_].is_damaged && !damaged_.empty(); ++at_) {
      char wanted[64];
      std::snprintf(wanted, sizeof wanted, "the picture at %.3f s is damaged",
                    static_cast<double>(expected[at_].pts_us) / 1e6);
      if (damaged_.front().find(wanted) == std::string::npos) return;
      damaged_.pop_front();
      ++pictures_;
    }
  }

  int judge(const std::vector<Expected>& expected) {
    const Frame frame = held_.front();
    held_.pop_front();
    skip_damaged(expected);
    if (at_ == expected.size()) return fail("pull", "more pictures than expected");
    const Expected& wanted = expected[at_++];
    ++pictures_;
    if (wanted.is_damaged) return fail("picture", "a damaged one as if it were whole");
    const Result<Frame> host = to_host(frame);
    if (!host) return fail("download", host.error().message);
    if (frame.place != abi::Place::kDmaBuf || frame.dma_fd < 0) return fail("picture", "it is in no dma-buf");
    if (host->width_px != wanted.width_px || host->height_px != wanted.height_px) return fail("picture", "another size");
    if (host->pts_us != wanted.pts_us) return fail("picture", "another time");
    if (planar_digest(*host) == wanted.digest) return 0;
    return fail("picture", "number " + std::to_string(at_ - 1) + " has other samples");
  }

  Decoder& decoder_;
  std::deque<Frame> held_;
  std::deque<std::string> damaged_;
  std::size_t at_ = 0, pictures_ = 0;
};

/// A user on another thread, who lets go of what he holds now and then.
class SlowUser {
 public:
  SlowUser() : thread_([this] { live(); }) {}
  SlowUser(const SlowUser&) = delete;
  SlowUser& operator=(const SlowUser&) = delete;
  ~SlowUser() {
    is_over_ = true;
    thread_.join();
  }

  void take(Frame frame) {
    const std::lock_guard lock(mutex_);
    held_.push_back(std::move(frame));
  }

 private:
  void live() {
    while (!is_over_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      std::vector<Frame> done;
      const std::lock_guard lock(mutex_);
      done.swap(held_);
    }
  }

  std::mutex mutex_;
  std::vector<Frame> held_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;  // last: it uses the others
};

/// 0 where every picture comes, however long others are held.
int run_slowly(Decoder& decoder, const std::vector<Unit>& units, const std::vector<Expected>& expected) {
  SlowUser user;
  std::size_t at = 0;
  for (std::size_t unit = 0; unit <= units.size(); ++unit) {
    const Status pushed = unit == units.size()
                              ? decoder.push(nullptr, 0, 0)
                              : decoder.push(units[unit].bytes.data(), units[unit].bytes.size(), units[unit].pts_us);
    if (!pushed) return fail("push", pushed.error().message);
    for (;;) {
      Result<std::optional<Frame>> frame = decoder.pull();
      if (!frame) return fail("pull", frame.error().message);
      if (!frame->has_value()) break;
      if (at == expected.size() || (*frame)->pts_us != expected[at].pts_us) return fail("pull", "another picture");
      ++at;
      user.take(**std::move(frame));
    }
  }
  return at == expected.size() ? 0 : fail("end", std::to_string(at) + " pictures of " + std::to_string(expected.size()));
}

/// Descriptors of the stand-in's memory that are still open.
int left_open() {
  int count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const std::filesystem::path target = std::filesystem::read_symlink(entry.path(), error);
    if (target.string().find("stand-in-dma-buf") != std::string::npos) ++count;
  }
  return count;
}

int run(const std::string& modules, std::size_t limit, std::vector<std::string> videos) {
  const bool is_slow = videos.back() == "slow";
  const bool is_damaged = videos.back() == "damaged";
  if (is_slow || is_damaged) videos.pop_back();
  std::vector<Unit> units;
  std::vector<Expected> expected;
  std::size_t first_units = 0, first_pictures = 0;
  std::int64_t start_us = 0;
  for (const std::string& video : videos) {
    std::vector<Unit> own = read_units(video, limit);
    if (limit == 0) own.push_back({std::vector<unsigned char>(256, 0x5A), 0});
    if (is_damaged && own.size() > 3) own[3].bytes.resize(own[3].bytes.size() / 2);
    if (own.empty()) return fail(video.c_str(), "no H.264 in it");
    for (Unit& unit : own) unit.pts_us += start_us;
    expect(own, expected);
    start_us += 3600000000;  // one after the other
    units.insert(units.end(), own.begin(), own.end());
    if (first_units == 0) first_units = own.size();
    if (first_pictures == 0) first_pictures = expected.size();
  }
  const Result<Backend> backend = open_backend("v4l2", modules);
  if (!backend) return fail("open", to_string(backend.error()));
  std::printf("%s, %d devices\n", backend->runtime().c_str(), backend->device_count());
  Result<Decoder> decoder = backend->open_decoder(Codec::kH264, 0);
  if (!decoder) return fail("open_decoder", to_string(decoder.error()));
  std::size_t pictures = expected.size();
  if (is_slow) {
    if (int code = run_slowly(*decoder, units, expected); code != 0) return code;
  } else {
    Check check(*decoder);
    if (int code = check.run(units, expected); code != 0) return code;
    units.resize(first_units);
    expected.resize(first_pictures);
    if (int code = check.run(units, expected); code != 0) return code;
    pictures = check.pictures();
  }
  { const Decoder gone = *std::move(decoder); }
  if (left_open() != 0) return fail("end", std::to_string(left_open()) + " dma-bufs are still open");
  const auto damaged =
      std::count_if(expected.begin(), expected.end(), [](const Expected& each) { return each.is_damaged; });
  std::printf("%zu pictures, 0 failures, %d damaged\n", pictures, static_cast<int>(damaged));
  return 0;
}

}  // namespace
}  // namespace edgecore::v4l2

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: edgecore-v4l2-check MODULES UNITS VIDEO...\n");
    return 2;
  }
  return edgecore::v4l2::run(argv[1], static_cast<std::size_t>(std::atol(argv[2])), {argv + 3, argv + argc});
}
