#pragma once

#include <filesystem>
#include <memory>

#include "edgecore/source.h"

namespace edgecore {

/// The *.jpg and *.jpeg files of a directory in byte order of their names, or one JPEG file. Images have
/// no time of their own: pts_us is 0. After a corrupt image next() goes on with the one behind it.
Result<std::unique_ptr<Source>> open_image_source(const SourceRequest& request);

/// Does the file begin as every JPEG does? False for a file that cannot be read.
bool has_jpeg_magic(const std::filesystem::path& path);

}  // namespace edgecore
