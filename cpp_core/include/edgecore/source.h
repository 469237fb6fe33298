// Where pictures come from: a video file or stream (FFmpeg), a directory of images, one image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edgecore/frame.h"
#include "edgecore/status.h"

namespace edgecore {

struct SourceRequest {
  std::string uri;                    // path or rtsp://...
  std::vector<std::int64_t> frames;   // only these indices (rising); empty: all
  std::int64_t limit = 0;             // stop after so many frames were given; 0: no limit
  bool loop = false;                  // a file or folder starts again at its end; index and time go on rising
  std::int32_t threads = 1;
  std::int32_t open_timeout_ms = 10000;  // network sources
  std::string decoder;                // backend whose hardware decodes (JPEG, H.264, H.265); empty: the CPU does
  std::int32_t decoder_device = 0;
  std::filesystem::path backends;     // where that backend is looked for
  std::function<bool()> is_stopped;      // asked while a network source waits: yes ends the wait with an error
};

/// Gives decoded pictures in presentation order.
class Source {
 public:
  virtual ~Source() = default;
  /// nullopt at the end of the stream. kCorrupt names the place for a stream that breaks off.
  virtual Result<std::optional<Frame>> next() = 0;
  virtual std::string describe() const = 0;  // "h264 640x272 yuv420p 25 fps"
};

/// Decides by what `uri` is, not by its extension. kUnsupported for a video where the build has no FFmpeg, which reads
/// containers for a `decoder` too, and for what the `decoder` cannot decode. Its frames lie where Frame::place says.
Result<std::unique_ptr<Source>> open_source(const SourceRequest& request);

}  // namespace edgecore
