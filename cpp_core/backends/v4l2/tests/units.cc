#include "units.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
}

namespace edgecore::v4l2 {

std::vector<Unit> read_units(const std::string& path, std::size_t limit) {
  std::vector<Unit> units;
  AVFormatContext* file = nullptr;
  if (avformat_open_input(&file, path.c_str(), nullptr, nullptr) != 0) return units;
  avformat_find_stream_info(file, nullptr);
  const int index = av_find_best_stream(file, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  const AVBitStreamFilter* filter = av_bsf_get_by_name("h264_mp4toannexb");
  AVBSFContext* annex_b = nullptr;
  if (index >= 0 && filter != nullptr && av_bsf_alloc(filter, &annex_b) == 0) {
    const AVStream* stream = file->streams[index];
    avcodec_parameters_copy(annex_b->par_in, stream->codecpar);
    annex_b->time_base_in = stream->time_base;
    av_bsf_init(annex_b);
    AVPacket* packet = av_packet_alloc();
    while (units.size() < limit && av_read_frame(file, packet) == 0) {
      if (packet->stream_index != index) {
        av_packet_unref(packet);
        continue;
      }
      av_bsf_send_packet(annex_b, packet);
      while (av_bsf_receive_packet(annex_b, packet) == 0) {
        const std::int64_t pts_us = av_rescale_q(packet->pts, stream->time_base, {1, 1000000});
        units.push_back({{packet->data, packet->data + packet->size}, pts_us});
        av_packet_unref(packet);
      }
    }
    av_packet_free(&packet);
  }
  av_bsf_free(&annex_b);
  avformat_close_input(&file);
  return units;
}

}  // namespace edgecore::v4l2
