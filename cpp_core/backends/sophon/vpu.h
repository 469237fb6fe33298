// The video engine's library in whichever of its dialects the box has, opened at run time.
#pragma once

#include <cstdint>
#include <memory>

#include "abi/bmvpu.h"
#include "edgecore/abi.h"
#include "runtime.h"

namespace edgecore::sophon {

/// A decoded picture, NV12, where the engine left it.
struct VideoFrame {
  std::uint64_t planes[2] = {};
  std::int32_t strides[2] = {};
  std::int32_t width_px = 0;
  std::int32_t height_px = 0;
  std::int32_t bits = 8;
  std::int64_t pts_us = 0;
  bm::FrameColors colors{};
  std::shared_ptr<void> raw;  // the dialect's own, for give_back()
};

enum class Fed { kTaken, kFull };
enum class Progress { kWorking, kStopped };

/// One stream's decoder. It works on by itself between calls. One thread at a time.
class VideoSession {
 public:
  virtual ~VideoSession() = default;

  /// One access unit; kFull: not now.
  virtual abi::Code feed(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Fed& fed,
                         abi::Error* error) noexcept = 0;

  /// Nothing follows: what is held back comes out, and the session stops behind it.
  virtual abi::Code finish(abi::Error* error) noexcept = 0;

  /// False: none is ready. Each goes back once: the engine has few.
  virtual bool take(VideoFrame& frame) noexcept = 0;
  virtual void give_back(const VideoFrame& frame) noexcept = 0;

  virtual abi::Code progress(Progress& progress, abi::Error* error) noexcept = 0;
};

/// Pictures that a user may keep while others are decoded.
inline constexpr int kKeptPictures = 8;

/// Opens $EDGECORE_BMVIDEO if set, else libbmvideo, or on BM1688 libbmvd. kNotFound and kUnsupported name it and say
/// what then happens.
abi::Code open_video_session(const Device& device, std::int32_t index, bm::VideoCodec codec,
                             std::unique_ptr<VideoSession>& session, abi::Error* error) noexcept;

}  // namespace edgecore::sophon
