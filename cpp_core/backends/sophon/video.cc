#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "decoders.h"
#include "edgecore/module.h"
#include "planes.h"
#include "vpu.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using module::fail;

constexpr auto kPause = std::chrono::milliseconds(1);
constexpr int kPatience = 2000;  // pauses: no access unit takes the engine two seconds

/// As the core's reader of files: what a stream does not say follows from its size. False for a matrix that the core
/// does not know. The numbers are those of H.264 and H.265.
bool find_matrix(const VideoFrame& frame, abi::ColorMatrix& matrix) noexcept {
  const bool is_high = frame.width_px >= 1280 || frame.height_px > 576;
  switch (frame.colors.matrix) {
    case 1: matrix = abi::ColorMatrix::kBt709; return true;
    case 5:
    case 6: matrix = abi::ColorMatrix::kBt601; return true;
    case 0:  // also of a decoder that leaves the field alone
    case 2:
    case 3: matrix = is_high ? abi::ColorMatrix::kBt709 : abi::ColorMatrix::kBt601; return true;
    default: return false;
  }
}

/// An access unit.
struct Unit {
  std::vector<unsigned char> bytes;
  std::int64_t pts_us = 0;
};

class VideoDecoder final : public abi::Decoder {
 public:
  Code open(const Libraries& libraries, std::int32_t index, bm::VideoCodec codec, Error* error) noexcept {
    libraries_ = &libraries;
    if (Code code = device_.open(libraries, index, error); code != Code::kOk) return code;
    return open_video_session(device_, index, codec, session_, error);
  }

  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    if (size_bytes == 0) {
      is_ended_ = true;
    } else {
      const auto* const first = static_cast<const unsigned char*>(bytes);
      waiting_.push_back({{first, first + size_bytes}, pts_us});
    }
    return feed_waiting(error);
  }

  Code pull(Picture* picture, std::int32_t* has_picture, Error* error) noexcept override {
    *has_picture = 0;
    for (int pauses = 0; pauses < kPatience; ++pauses) {
      // Asked before: what it stops behind is ready by then.
      Progress progress = Progress::kWorking;
      if (Code code = session_->progress(progress, error); code != Code::kOk) return code;
      if (Code code = feed_waiting(error); code != Code::kOk) return code;
      auto frame = std::make_unique<VideoFrame>();
      if (session_->take(*frame)) return hand_out(std::move(frame), picture, has_picture, error);
      if (waiting_.empty() && (!is_ended_ || progress == Progress::kStopped)) return Code::kOk;
      std::this_thread::sleep_for(kPause);
    }
    return fail_waiting(error);
  }

  void recycle(Picture* picture) noexcept override {
    const std::unique_ptr<VideoFrame> frame(static_cast<VideoFrame*>(picture->token));
    session_->give_back(*frame);
    --kept_;
  }

  Code download(const Picture& picture, Picture* host, Error* error) noexcept override {
    return download_picture(*libraries_, device_, picture, *host, error);
  }

  void release() noexcept override { delete this; }

 private:
  ~VideoDecoder() = default;

  /// What the engine has room for. Only pictures that are taken make more, so push() must not wait for it.
  Code feed_waiting(Error* error) noexcept {
    while (!waiting_.empty()) {
      const Unit& unit = waiting_.front();
      Fed fed = Fed::kFull;
      const Code code = session_->feed(unit.bytes.data(), unit.bytes.size(), unit.pts_us, fed, error);
      if (code == Code::kOk && fed == Fed::kFull) return Code::kOk;
      waiting_.pop_front();
      if (code != Code::kOk) return code;
    }
    if (!is_ended_ || is_finished_) return Code::kOk;
    is_finished_ = true;
    return session_->finish(error);
  }

  Code hand_out(std::unique_ptr<VideoFrame> frame, Picture* picture, std::int32_t* has_picture, Error* error) noexcept {
    if (frame->bits > 8 || frame->width_px <= 0 || frame->height_px <= 0) {
      session_->give_back(*frame);
      return fail(error, Code::kUnsupported, "video of %dx%d with %d bits a sample is not supported", frame->width_px,
                  frame->height_px, frame->bits);
    }
    *picture = {};
    if (!find_matrix(*frame, picture->matrix)) {
      session_->give_back(*frame);
      return fail(error, Code::kUnsupported, "video with colour matrix %d is not supported", frame->colors.matrix);
    }
    for (int plane = 0; plane < 2; ++plane) {
      picture->planes[plane] = reinterpret_cast<void*>(frame->planes[plane]);
      picture->stride_bytes[plane] = frame->strides[plane];
    }
    constexpr int kFullRange = 2;
    constexpr int kCenter = 1;  // chroma_sample_loc_type 1 of H.264's Annex E
    picture->width_px = frame->width_px;
    picture->height_px = frame->height_px;
    picture->layout = abi::PixelLayout::kSemiPlanar;
    picture->range = frame->colors.range == kFullRange ? abi::ColorRange::kFull : abi::ColorRange::kLimited;
    picture->siting = frame->colors.chroma_location == kCenter ? abi::ChromaSiting::kCenter : abi::ChromaSiting::kLeft;
    picture->place = abi::Place::kDevice;
    picture->pts_us = frame->pts_us;
    picture->token = frame.release();
    *has_picture = 1;
    ++kept_;
    return Code::kOk;
  }

  Code fail_waiting(Error* error) const noexcept {
    return fail(error, Code::kSdk,
                "the video engine has done nothing for two seconds; %d of its pictures are kept, and it has room for "
                "%d",
                kept_, kKeptPictures);
  }

  const Libraries* libraries_ = nullptr;
  Device device_;
  std::unique_ptr<VideoSession> session_;
  std::deque<Unit> waiting_;  // for room in the engine
  bool is_ended_ = false;
  bool is_finished_ = false;  // and the engine knows
  int kept_ = 0;
};

struct Release {
  void operator()(abi::Decoder* decoder) const noexcept { decoder->release(); }
};

}  // namespace

Code open_video_decoder(const Libraries& libraries, std::int32_t device, abi::Codec codec, abi::Decoder** decoder,
                        Error* error) noexcept {
  auto* const opening = new VideoDecoder;
  std::unique_ptr<abi::Decoder, Release> opened(opening);
  const bm::VideoCodec wanted = codec == abi::Codec::kH264 ? bm::kAvc : bm::kHevc;
  if (Code code = opening->open(libraries, device, wanted, error); code != Code::kOk) return code;
  *decoder = opened.release();
  return Code::kOk;
}

}  // namespace edgecore::sophon
