#include "edgecore/source.h"

#include <filesystem>
#include <system_error>

#include "ffmpeg_source.h"
#include "image_source.h"
#include "loop_source.h"

namespace edgecore {
namespace {

namespace fs = std::filesystem;

Result<std::unique_ptr<Source>> open_video(const SourceRequest& request) {
#if EDGECORE_WITH_FFMPEG
  return open_ffmpeg_source(request);
#else
  return Error{Code::kUnsupported, request.uri + ": this build reads no video, only JPEG images",
               "build with EDGECORE_WITH_FFMPEG=ON"};
#endif
}

/// From the first picture to the last.
Result<std::unique_ptr<Source>> open_once(const SourceRequest& request) {
  const std::string& uri = request.uri;
  if (uri.find("://") != std::string::npos) return open_video(request);

  std::error_code problem;
  const fs::file_status status = fs::status(uri, problem);
  if (!fs::exists(status)) {
    if (status.type() != fs::file_type::not_found) return Error{Code::kNotFound, uri + ": " + problem.message(), ""};
    return Error{Code::kNotFound, uri + ": no such file or directory", "a stream is written as rtsp://host/path"};
  }
  if (fs::is_directory(status)) return open_image_source(request);
  if (fs::is_regular_file(status) && fs::file_size(uri, problem) == 0) {
    return Error{Code::kCorrupt, uri + ": the file is empty", "copy or record it again"};
  }
  return has_jpeg_magic(uri) ? open_image_source(request) : open_video(request);
}

}  // namespace

Result<std::unique_ptr<Source>> open_source(const SourceRequest& request) {
  return request.loop ? open_loop_source(request, open_once) : open_once(request);
}

}  // namespace edgecore
