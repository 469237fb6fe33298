// Frames across the seam.
#pragma once

#include "edgecore/abi.h"
#include "edgecore/frame.h"
#include "edgecore/model.h"

namespace edgecore {

/// Owns nothing: valid as long as the frame.
abi::Picture to_picture(const Frame& frame) noexcept;

/// What a module's decoder says of a picture, without owner, copier and index. kInternal for a picture that cannot
/// be: a size, a stride or an enumerator that anything behind it would trust.
Result<Frame> to_frame(const abi::Picture& picture);

/// The description's arithmetic for a picture of this size.
abi::PictureInput to_picture_input(const Frame& frame, const InputDescription& input);

}  // namespace edgecore
