#include "vpu.h"

#include <algorithm>
#include <new>
#include <string>

#include "edgecore/module.h"
#include "library.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using module::fail;

// The SONAME, as libbmcv's beside it has it (from memory), and the file's name.
constexpr std::initializer_list<const char*> kNames = {"libbmvideo.so.0", "libbmvideo.so"};
constexpr std::initializer_list<const char*> kBm1688Names = {"libbmvd.so"};

struct Wish {
  bm::VideoCodec codec;
  int board;
};

/// libbmvideo up to 23.10.01: BMVidDec*.
struct OldDialect {
  using Frame = bm::old::Frame;
  static constexpr int kNoRoom = bm::old::kStreamBufferFull;
  static constexpr int kFull = bm::old::kStreamBufferFull;
  static constexpr int kStopped = bm::old::kStatusStopped;
  static constexpr int kHung = bm::old::kStatusHung;
  static constexpr const char* kCreate = "BMVidDecCreate";
  static constexpr const char* kDecode = "BMVidDecDecode";
  static constexpr const char* kFlush = "BMVidDecFlush";
  static constexpr const char* kStatus = "BMVidGetStatus";

  void resolve(Resolver& find) {
    find(api.BMVidDecCreate, kCreate);
    find(api.BMVidDecDelete, "BMVidDecDelete");
    find(api.BMVidDecDecode, kDecode);
    find(api.BMVidDecFlush, kFlush);
    find(api.BMVidDecGetOutput, "BMVidDecGetOutput");
    find(api.BMVidDecClearOutput, "BMVidDecClearOutput");
    find(api.BMVidGetStatus, kStatus);
  }

  int create(bm::VideoDecoder** decoder, const Wish& wish) const {
    bm::old::Parameters parameters{};
    parameters.codec = wish.codec;
    parameters.is_interleaved = 1;
    parameters.stream_mode = bm::kPictureEnd;
    parameters.extra_frames = kKeptPictures;
    parameters.board = wish.board;
    parameters.keeps_on_board = 1;
    return api.BMVidDecCreate(decoder, parameters);
  }
  void remove(bm::VideoDecoder* decoder) const { api.BMVidDecDelete(decoder); }
  int decode(bm::VideoDecoder* decoder, const bm::VideoPacket& packet) const {
    return api.BMVidDecDecode(decoder, packet);
  }
  int flush(bm::VideoDecoder* decoder) const { return api.BMVidDecFlush(decoder); }
  bool get(bm::VideoDecoder* decoder, Frame& frame) const {
    const Frame* found = api.BMVidDecGetOutput(decoder);
    if (found != nullptr) frame = *found;
    return found != nullptr;
  }
  void clear(bm::VideoDecoder* decoder, Frame& frame) const { api.BMVidDecClearOutput(decoder, &frame); }
  int status(bm::VideoDecoder* decoder) const { return api.BMVidGetStatus(decoder); }

  bm::old::Api api{};
};

/// bmvpu_dec_*: libbmvideo from 24.04.01 on, and BM1688's libbmvd, whose structures differ.
template <typename Api, typename Parameters, typename OwnFrame, int kHungStatus>
struct NewDialect {
  using Frame = OwnFrame;
  static constexpr int kNoRoom = bm::now::kNoRoom;
  static constexpr int kFull = bm::now::kQueueFull;
  static constexpr int kStopped = bm::now::kStatusStopped;
  static constexpr int kHung = kHungStatus;
  static constexpr const char* kCreate = "bmvpu_dec_create";
  static constexpr const char* kDecode = "bmvpu_dec_decode";
  static constexpr const char* kFlush = "bmvpu_dec_flush";
  static constexpr const char* kStatus = "bmvpu_dec_get_status";

  void resolve(Resolver& find) {
    find(api.bmvpu_dec_create, kCreate);
    find(api.bmvpu_dec_delete, "bmvpu_dec_delete");
    find(api.bmvpu_dec_decode, kDecode);
    find(api.bmvpu_dec_flush, kFlush);
    find(api.bmvpu_dec_get_output, "bmvpu_dec_get_output");
    find(api.bmvpu_dec_clear_output, "bmvpu_dec_clear_output");
    find(api.bmvpu_dec_get_status, kStatus);
  }

  int create(bm::VideoDecoder** decoder, const Wish& wish) const {
    Parameters parameters{};
    parameters.head.codec = wish.codec;
    parameters.head.stream_mode = bm::kPictureEnd;
    parameters.head.pixel_format = bm::kVideoNv12;
    parameters.head.extra_frames = kKeptPictures;
    parameters.head.board = wish.board;
    parameters.head.keeps_on_board = 1;
    return api.bmvpu_dec_create(decoder, parameters);
  }
  void remove(bm::VideoDecoder* decoder) const { api.bmvpu_dec_delete(decoder); }
  int decode(bm::VideoDecoder* decoder, const bm::VideoPacket& packet) const {
    return api.bmvpu_dec_decode(decoder, packet);
  }
  int flush(bm::VideoDecoder* decoder) const { return api.bmvpu_dec_flush(decoder); }
  bool get(bm::VideoDecoder* decoder, Frame& frame) const { return api.bmvpu_dec_get_output(decoder, &frame) == 0; }
  void clear(bm::VideoDecoder* decoder, Frame& frame) const { api.bmvpu_dec_clear_output(decoder, &frame); }
  int status(bm::VideoDecoder* decoder) const { return api.bmvpu_dec_get_status(decoder); }

  Api api{};
};

using Bm1684Dialect = NewDialect<bm::bm1684::Api, bm::bm1684::Parameters, bm::bm1684::Frame,
                                 bm::now::kStatusHungBm1684>;
using Bm1688Dialect = NewDialect<bm::bm1688::Api, bm::bm1688::Parameters, bm::bm1688::Frame,
                                 bm::now::kStatusHungBm1688>;

template <typename Dialect>
class Session final : public VideoSession {
 public:
  using Frame = typename Dialect::Frame;

  ~Session() override {
    if (decoder_ != nullptr) dialect_.remove(decoder_);
  }

  Code open(void* library, const Wish& wish, abi::Error* error) noexcept {
    Resolver find(library);
    dialect_.resolve(find);
    if (find.missing() != nullptr) {
      return fail(error, Code::kUnsupported, "%s exports no %s, so the CPU decodes video", path_of(library).c_str(),
                  find.missing());
    }
    const int result = dialect_.create(&decoder_, wish);
    if (result == 0 && decoder_ != nullptr) return Code::kOk;
    decoder_ = nullptr;
    return fail(error, Code::kSdk, "%s: %d", Dialect::kCreate, result);
  }

  Code feed(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Fed& fed,
            abi::Error* error) noexcept override {
    bm::VideoPacket packet{};
    packet.data = static_cast<const unsigned char*>(bytes);
    packet.size_bytes = static_cast<unsigned>(size_bytes);
    packet.pts = static_cast<std::uint64_t>(pts_us);
    packet.dts = packet.pts;
    const int result = dialect_.decode(decoder_, packet);
    fed = result == Dialect::kFull || result == Dialect::kNoRoom ? Fed::kFull : Fed::kTaken;
    if (result == 0 || fed == Fed::kFull) return Code::kOk;
    return fail(error, Code::kSdk, "%s: %d", Dialect::kDecode, result);
  }

  Code finish(abi::Error* error) noexcept override {
    const int result = dialect_.flush(decoder_);
    return result == 0 ? Code::kOk : fail(error, Code::kSdk, "%s: %d", Dialect::kFlush, result);
  }

  bool take(VideoFrame& frame) noexcept override {
    auto raw = std::make_shared<Frame>();
    if (!dialect_.get(decoder_, *raw)) return false;
    for (int plane = 0; plane < 2; ++plane) {
      frame.planes[plane] = reinterpret_cast<std::uintptr_t>(raw->planes[4 + plane]);
      frame.strides[plane] = raw->strides[plane];
    }
    frame.width_px = static_cast<std::int32_t>(raw->width);
    frame.height_px = static_cast<std::int32_t>(raw->height);
    frame.bits = std::max(raw->luma_bits, raw->chroma_bits);
    frame.pts_us = static_cast<std::int64_t>(raw->pts);
    frame.colors = raw->colors;
    frame.raw = std::move(raw);
    return true;
  }

  void give_back(const VideoFrame& frame) noexcept override {
    dialect_.clear(decoder_, *static_cast<Frame*>(frame.raw.get()));
  }

  Code progress(Progress& progress, abi::Error* error) noexcept override {
    const int status = dialect_.status(decoder_);
    progress = status == Dialect::kStopped ? Progress::kStopped : Progress::kWorking;
    if (status != Dialect::kHung) return Code::kOk;
    return fail(error, Code::kSdk, "%s: %d, the video engine hangs", Dialect::kStatus, status);
  }

 private:
  Dialect dialect_;
  bm::VideoDecoder* decoder_ = nullptr;
};

template <typename Dialect>
Code open_session(void* library, const Wish& wish, std::unique_ptr<VideoSession>& session, abi::Error* error) noexcept {
  auto opened = std::make_unique<Session<Dialect>>();
  if (Code code = opened->open(library, wish, error); code != Code::kOk) return code;
  session = std::move(opened);
  return Code::kOk;
}

}  // namespace

Code open_video_session(const Device& device, std::int32_t index, bm::VideoCodec codec,
                        std::unique_ptr<VideoSession>& session, abi::Error* error) noexcept {
  const bool is_bm1688 = device.chip_id() == bm::kChipBm1688;
  std::string reasons;
  void* library = open_library("EDGECORE_BMVIDEO", is_bm1688 ? kBm1688Names : kNames, reasons);
  if (library == nullptr) {
    return fail(error, Code::kNotFound,
                "%s cannot be opened, and without it the CPU decodes video: %s; install the SDK's multimedia part on "
                "the box and run ldconfig, or name the file in EDGECORE_BMVIDEO",
                is_bm1688 ? "libbmvd" : "libbmvideo", reasons.c_str());
  }
  const Wish wish{codec, index};
  if (is_bm1688) return open_session<Bm1688Dialect>(library, wish, session, error);
  Resolver find(library);
  void* old = nullptr;
  find.maybe(old, OldDialect::kCreate);
  if (old != nullptr) return open_session<OldDialect>(library, wish, session, error);
  return open_session<Bm1684Dialect>(library, wish, session, error);
}

}  // namespace edgecore::sophon
