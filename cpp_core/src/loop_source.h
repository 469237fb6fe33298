// A file or folder that starts again at its end, so that a recording can stand in for a camera.
#pragma once

#include <memory>

#include "edgecore/source.h"
#include "edgecore/status.h"

namespace edgecore {

using OpenSource = Result<std::unique_ptr<Source>> (*)(const SourceRequest& request);

/// open: how to open `request.uri` for one round. kInvalidArgument for a stream, and for chosen frames.
Result<std::unique_ptr<Source>> open_loop_source(const SourceRequest& request, OpenSource open);

}  // namespace edgecore
