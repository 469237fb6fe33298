// From the decoder's YUV planes straight to the model's input tensor, in integer arithmetic.
#pragma once

#include "edgecore/frame.h"
#include "edgecore/model.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

/// Where the picture lies inside the model's input; maps model pixels back to frame pixels.
struct Placement {
  float scale_x = 1.0F;  // model pixels per frame pixel
  float scale_y = 1.0F;
  std::int32_t offset_x_px = 0;  // left bar, model pixels
  std::int32_t offset_y_px = 0;
  std::int32_t width_px = 0;  // of the picture inside the input
  std::int32_t height_px = 0;
  float to_frame_x(float x) const noexcept { return (x - static_cast<float>(offset_x_px)) / scale_x; }
  float to_frame_y(float y) const noexcept { return (y - static_cast<float>(offset_y_px)) / scale_y; }
};

/// Letterbox keeps the aspect ratio and centres; stretch fills. Pure.
Placement plan_placement(std::int32_t frame_width_px, std::int32_t frame_height_px, const InputDescription& input);

/// Bilinear (half-pixel centres), YUV -> RGB in fixed point, then a 256-entry float table per channel:
/// the same bits on every CPU and compiler. dst: float32 [1,3,H,W] or [1,H,W,3] as the description says.
/// kInvalidArgument when dst has another shape or type; kUnsupported for a frame that is not in host memory.
Result<Placement> preprocess(const Frame& frame, const InputDescription& input, TensorBuffer& dst);

/// As above. dst: room for the floats of shape_of(input), in a larger tensor say.
Result<Placement> preprocess(const Frame& frame, const InputDescription& input, float* dst);

}  // namespace edgecore
