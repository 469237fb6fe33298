// Through a backend module's Decoder, which takes H.264 and H.265 as byte streams (Annex B).
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/decoder.h"
#include "ffmpeg_frame.h"
#include "video_decoder.h"

namespace edgecore::ffmpeg {
namespace {

constexpr char kWithout[] = "leave out source.decoder: the CPU then decodes it";

struct Known {
  AVCodecID id;
  edgecore::Codec codec;
  const char* filter;  // from the form in which MP4, Matroska and FLV store it
};
constexpr Known kKnown[] = {{AV_CODEC_ID_H264, edgecore::Codec::kH264, "h264_mp4toannexb"},
                            {AV_CODEC_ID_HEVC, edgecore::Codec::kH265, "hevc_mp4toannexb"}};

const Known* find(AVCodecID id) noexcept {
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& each) { return each.id == id; });
  return found == std::end(kKnown) ? nullptr : found;
}

bool is_byte_stream(const std::uint8_t* bytes, int size) noexcept {
  const auto starts_with = [&](const char* code, int length) {
    return size >= length && std::memcmp(bytes, code, static_cast<std::size_t>(length)) == 0;
  };
  return starts_with("\0\0\1", 3) || starts_with("\0\0\0\1", 4);
}

/// What the container says of colour holds where the stream itself says nothing, of which a module cannot know.
void apply_container(const AVCodecParameters& told, Frame& frame) noexcept {
  if (told.width != frame.width_px || told.height != frame.height_px) return;  // it has become another stream
  if (told.color_space == AVCOL_SPC_BT709) frame.matrix = ColorMatrix::kBt709;
  if (told.color_space == AVCOL_SPC_BT470BG || told.color_space == AVCOL_SPC_SMPTE170M) {
    frame.matrix = ColorMatrix::kBt601;
  }
  if (told.color_range == AVCOL_RANGE_JPEG) frame.range = ColorRange::kFull;
  if (told.color_range == AVCOL_RANGE_MPEG) frame.range = ColorRange::kLimited;
  if (told.chroma_location == AVCHROMA_LOC_CENTER) frame.siting = ChromaSiting::kCenter;
}

class ModuleDecoder final : public VideoDecoder {
 public:
  ModuleDecoder(Demuxer& demuxer, std::string name, Decoder decoder)
      : demuxer_(demuxer), name_(std::move(name)), decoder_(std::move(decoder)), unit_(av_packet_alloc()) {}

  Status open_filter(const char* filter, const std::uint8_t* extradata, int size) {
    AVBSFContext* opened = nullptr;
    const AVBitStreamFilter* found = av_bsf_get_by_name(filter);
    if (found == nullptr || av_bsf_alloc(found, &opened) < 0) {
      return Error{Code::kUnsupported, demuxer_.uri() + ": this build's FFmpeg has no filter " + filter, kWithout};
    }
    filter_.reset(opened);
    filter_name_ = filter;
    avcodec_parameters_copy(opened->par_in, demuxer_.stream().codecpar);
    opened->time_base_in = demuxer_.stream().time_base;
    // Padded, as FFmpeg's parsers read a little beyond. Its memory is the filter's.
    auto* padded = static_cast<std::uint8_t*>(av_mallocz(static_cast<std::size_t>(size) + AV_INPUT_BUFFER_PADDING_SIZE));
    if (size > 0) std::memcpy(padded, extradata, static_cast<std::size_t>(size));
    av_freep(&opened->par_in->extradata);
    opened->par_in->extradata = padded;
    opened->par_in->extradata_size = size;
    // The filter lets byte streams through as they are, parameter sets that only a session's description holds too.
    if (is_byte_stream(padded, size)) ahead_.assign(padded, padded + size);
    const int rc = av_bsf_init(opened);
    if (rc < 0) return Error{Code::kCorrupt, demuxer_.uri() + ": " + filter + ": " + reason(rc), ""};
    return {};
  }

  Status push(AVPacket* packet) override {
    if (packet == nullptr) return told(decoder_.push(nullptr, 0, 0));
    if (Status settled = follow_container(*packet); !settled) return settled;
    if (const int rc = av_bsf_send_packet(filter_.get(), packet); rc < 0) return Error{Code::kCorrupt, reason(rc), ""};
    while (true) {
      const int rc = av_bsf_receive_packet(filter_.get(), unit_.get());
      if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF) return {};
      if (rc < 0) return Error{Code::kCorrupt, reason(rc), ""};
      const Status pushed = push_unit(*unit_);
      av_packet_unref(unit_.get());
      if (!pushed) return pushed;
    }
  }

  Result<std::optional<Picture>> pull() override {
    Result<std::optional<Frame>> frame = decoder_.pull();
    if (!frame) return told(frame.error()).error();
    if (!frame->has_value()) return std::optional<Picture>();
    Picture picture;
    picture.frame = **std::move(frame);
    picture.has_time = demuxer_.has_times();
    apply_container(*demuxer_.stream().codecpar, picture.frame);
    return std::optional<Picture>(std::move(picture));
  }

  std::string describe() const override {
    const AVCodecParameters& told = *demuxer_.stream().codecpar;
    return std::to_string(told.width) + "x" + std::to_string(told.height) + " " + pixel_format_name(told.format);
  }

 private:
  /// A container may give other parameter sets on the way: another camera's, or another size.
  Status follow_container(const AVPacket& packet) {
    for (int at = 0; at < packet.side_data_elems; ++at) {
      const AVPacketSideData& side = packet.side_data[at];
      if (side.type == AV_PKT_DATA_NEW_EXTRADATA) {
        return open_filter(filter_name_, side.data, static_cast<int>(side.size));
      }
    }
    return {};
  }

  Status push_unit(const AVPacket& unit) {
    // A unit without a time of its own belongs to the picture before it: the second field.
    if (const auto stamp = demuxer_.stamp_of(unit)) last_pts_us_ = demuxer_.time_us(*stamp);
    const auto size = static_cast<std::size_t>(unit.size);
    if (ahead_.empty()) return told(decoder_.push(unit.data, size, last_pts_us_));
    std::vector<std::uint8_t> whole = std::exchange(ahead_, {});
    whole.insert(whole.end(), unit.data, unit.data + size);
    return told(decoder_.push(whole.data(), whole.size(), last_pts_us_));
  }

  /// What the source behind wants to hear.
  Status told(const Status& status) const {
    if (status || status.error().code == Code::kCorrupt) return status;
    const Error& error = status.error();
    const bool is_unsupported = error.code == Code::kUnsupported;
    return Error{error.code, demuxer_.uri() + ": '" + name_ + "' " + error.message,
                 is_unsupported ? kWithout : error.hint};
  }

  Demuxer& demuxer_;
  std::string name_;
  Decoder decoder_;
  const char* filter_name_ = nullptr;
  Filter filter_;
  Packet unit_;
  std::vector<std::uint8_t> ahead_;  // parameter sets that the next unit has to have
  std::int64_t last_pts_us_ = 0;
};

}  // namespace

Result<std::unique_ptr<VideoDecoder>> open_module_decoder(Demuxer& demuxer, const SourceRequest& request) {
  const AVCodecParameters& parameters = *demuxer.stream().codecpar;
  const Known* known = find(parameters.codec_id);
  if (known == nullptr) {
    return Error{Code::kUnsupported,
                 demuxer.uri() + ": a backend's decoder takes H.264 and H.265, and this is " +
                     avcodec_get_name(parameters.codec_id),
                 kWithout};
  }
  const Result<Backend> backend = open_backend(request.decoder, request.backends);
  if (!backend) return backend.error();
  Result<Decoder> opened = backend->open_decoder(known->codec, request.decoder_device);
  if (!opened && opened.error().code == Code::kUnsupported) {
    return Error{Code::kUnsupported, demuxer.uri() + ": " + opened.error().message, kWithout};
  }
  if (!opened) return opened.error();
  auto decoder = std::make_unique<ModuleDecoder>(demuxer, request.decoder, *std::move(opened));
  const Status filtered = decoder->open_filter(known->filter, parameters.extradata, parameters.extradata_size);
  if (!filtered) return filtered.error();
  return std::unique_ptr<VideoDecoder>(std::move(decoder));
}

}  // namespace edgecore::ffmpeg
