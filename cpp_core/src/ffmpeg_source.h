#pragma once

#include <memory>

#include "edgecore/source.h"

namespace edgecore {

/// A local video file, or a stream when `uri` holds "://"; decoded on the CPU or by a backend's `decoder`.
///
/// A file that breaks off gives every frame before the break, then kCorrupt with the place. A stream
/// from a network goes on after damage, because lost packets are its normal life. Playlists that would
/// make a local file open other files or hosts are refused.
Result<std::unique_ptr<Source>> open_ffmpeg_source(const SourceRequest& request);

}  // namespace edgecore
