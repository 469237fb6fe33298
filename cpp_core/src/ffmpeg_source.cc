#include "ffmpeg_source.h"

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "ffmpeg_demuxer.h"
#include "selection.h"
#include "video_decoder.h"

namespace edgecore {
namespace {

using ffmpeg::Demuxer;
using ffmpeg::VideoDecoder;

constexpr AVRational kMicroseconds{1, 1000000};

std::string seconds(std::int64_t time_us) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", static_cast<double>(time_us) / 1e6);
  return text;
}

class FfmpegSource final : public Source {
 public:
  FfmpegSource(const SourceRequest& request, Selection selection)
      : decoder_name_(request.decoder), demuxer_(request), selection_(std::move(selection)) {}

  Status open(const SourceRequest& request) {
    if (Status opened = demuxer_.open(); !opened) return opened;
    Result<std::unique_ptr<VideoDecoder>> decoder = request.decoder.empty()
                                                        ? ffmpeg::open_cpu_decoder(demuxer_, request)
                                                        : ffmpeg::open_module_decoder(demuxer_, request);
    if (!decoder) return decoder.error();
    decoder_ = *std::move(decoder);
    return {};
  }

  Result<std::optional<Frame>> next() override {
    while (!selection_.done()) {
      Result<std::optional<VideoDecoder::Picture>> picture = decoder_->pull();
      if (!picture) {
        if (!goes_on(picture.error()) || draining_) return finish();
      } else if (!picture->has_value()) {
        if (draining_ || failure_) return finish();
        feed();
      } else if (!(*picture)->damage.empty() && !forgives_damage()) {
        note_damage((*picture)->damage);
        return finish();
      } else {
        Frame& frame = (*picture)->frame;
        if (!(*picture)->has_time) frame.pts_us = time_by_rate();
        if (damage_ && !follows(frame.pts_us)) return finish();
        last_pts_us_ = frame.pts_us;
        frame.index = index_++;
        if (selection_.take(frame.index)) return std::optional<Frame>(std::move(frame));
      }
    }
    return std::optional<Frame>();
  }

  std::string describe() const override {
    const AVRational rate = demuxer_.frame_rate();
    char text[64];
    std::snprintf(text, sizeof text, " %g fps", rate.den == 0 ? 0.0 : av_q2d(rate));
    return std::string(avcodec_get_name(demuxer_.stream().codecpar->codec_id)) + " " + decoder_->describe() + text +
           (decoder_name_.empty() ? "" : ", decoded by " + decoder_name_);
  }

 private:
  /// Moves one packet into the decoder; at the end, or behind damage, tells it to give what it still holds.
  void feed() {
    ffmpeg::clear_log();
    AVPacket* const packet = damage_ ? nullptr : demuxer_.read(forgives_damage());
    if (packet == nullptr) {
      if (!damage_ && !demuxer_.flaw().empty()) damage_ = demuxer_.flaw();
      draining_ = true;
    }
    if (const Status pushed = decoder_->push(packet); !pushed) goes_on(pushed.error());
  }

  /// Damage is normal on a network, and so is a recording that begins between two key frames.
  bool forgives_damage() const noexcept {
    return demuxer_.is_network() || (index_ == 0 && demuxer_.promised_packets() == 0);
  }

  void note_damage(const std::string& what) {
    if (!damage_ && !forgives_damage()) damage_ = what;
  }

  /// May the decoder be asked again?
  bool goes_on(const Error& error) {
    if (error.code == Code::kCorrupt) {
      note_damage(error.message);
    } else if (!failure_) {
      failure_ = error;
    }
    return !failure_;
  }

  /// Behind damage the decoder may still hold pictures from beyond a gap, whose index nobody can tell.
  bool follows(std::int64_t pts_us) const noexcept {
    const AVRational rate = demuxer_.frame_rate();
    if (rate.num <= 0) return true;
    const std::int64_t interval_us = av_rescale_q(1, av_inv_q(rate), kMicroseconds);
    return index_ == 0 || pts_us - last_pts_us_ <= interval_us * 3 / 2;
  }

  /// What to say when the decoder has given its last picture.
  Result<std::optional<Frame>> finish() {
    if (failure_) return *failure_;
    if (damage_) return broken_off();
    if (index_ == 0) {
      return Error{Code::kCorrupt, demuxer_.uri() + ": no picture could be decoded: " + ffmpeg::reason(AVERROR_INVALIDDATA),
                   ""};
    }
    if (auto error = selection_.missing(demuxer_.uri(), index_)) return *error;
    return std::optional<Frame>();
  }

  Error broken_off() const {
    std::string place = "stream ends at frame " + std::to_string(index_);
    if (demuxer_.promised_packets() > 0) place += " of " + std::to_string(demuxer_.promised_packets());
    place += " (" + seconds(last_pts_us_);
    if (demuxer_.promised_end_us() > 0) place += " of " + seconds(demuxer_.promised_end_us());
    const bool network = demuxer_.is_network();
    return {network ? Code::kNotFound : Code::kCorrupt, demuxer_.uri() + ": " + place + "): " + *damage_,
            network ? "open it again when the camera answers" : "copy or record it again; the frames before it are good"};
  }

  /// A stream without time stamps is taken to keep its frame rate.
  std::int64_t time_by_rate() const noexcept {
    const AVRational rate = demuxer_.frame_rate();
    return rate.num > 0 ? av_rescale_q(index_, av_inv_q(rate), kMicroseconds) : last_pts_us_;
  }

  std::string decoder_name_;  // empty: the CPU's
  Demuxer demuxer_;
  std::unique_ptr<VideoDecoder> decoder_;
  Selection selection_;
  std::int64_t index_ = 0;  // pictures decoded so far
  std::int64_t last_pts_us_ = 0;
  std::optional<std::string> damage_;  // set once: nothing behind it is decoded
  std::optional<Error> failure_;       // the decoder's own: told behind the pictures that it had made before
  bool draining_ = false;
};

}  // namespace

Result<std::unique_ptr<Source>> open_ffmpeg_source(const SourceRequest& request) {
  Result<Selection> selection = Selection::make(request);
  if (!selection) return selection.error();
  auto source = std::make_unique<FfmpegSource>(request, std::move(*selection));
  if (Status opened = source->open(request); !opened) return opened.error();
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace edgecore
