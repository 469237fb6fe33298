// Pictures of every kind that the core can prepare, with what its own CPU code makes of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgecore/abi.h"
#include "edgecore/frame.h"
#include "edgecore/model.h"

namespace edgecore::tensorrt {

/// A picture in host memory and the model input it is for.
struct PictureCase {
  std::vector<std::uint8_t> samples;
  abi::Picture picture;  // its planes point into samples
  InputDescription input;
};

/// The same for the same seed; sides from 1 to max_side_px. Odd sizes, gaps between rows, every layout, subsampling,
/// matrix, range and siting, both fits, layouts and orders of the input come up.
PictureCase make_case(std::uint32_t seed, std::int32_t max_side_px);

/// Of chosen size: 4:2:0 video of a camera into a letterboxed model input.
PictureCase make_video_case(abi::PixelLayout layout, std::int32_t width_px, std::int32_t height_px,
                            std::int32_t input_width_px, std::int32_t input_height_px);

std::string describe(const PictureCase& item);

/// As the core hands them to a module's prepare(), and to its own preprocess().
abi::PictureInput wish_of(const PictureCase& item);
Frame frame_of(const PictureCase& item);

/// What edgecore's preprocess() makes of it; empty, with a message on stderr, if it refuses.
std::vector<float> prepare_on_cpu(const PictureCase& item);

struct Difference {
  std::size_t values = 0;   // that are not equal bit for bit
  double max_levels = 0.0;  // in samples, 0..255
};
Difference difference(const PictureCase& item, const std::vector<float>& expected, const std::vector<float>& found);

}  // namespace edgecore::tensorrt
