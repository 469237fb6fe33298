// JPEG in and out through libjpeg-turbo, in YUV: no RGB copy on the way in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "edgecore/frame.h"
#include "edgecore/postprocess.h"
#include "edgecore/status.h"

namespace edgecore {

Result<Frame> read_jpeg(const std::filesystem::path& path);

/// The frame with its boxes and labels drawn. Written to a temporary name, then renamed.
Status write_annotated_jpeg(const Frame& frame, const std::vector<Detection>& detections,
                            const std::vector<std::string>& labels, const std::filesystem::path& path);

}  // namespace edgecore
