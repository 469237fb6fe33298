// What a JPEG says of its colours: nvJPEG takes three components for YCbCr, whatever they are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgecore::tensorrt {

enum class JpegColor { kNoJpeg, kYcbcrOrGray, kOther };

/// As libjpeg decides it: JFIF means YCbCr, else Adobe's marker says, else component names 'R' 'G' 'B' mean RGB.
/// Source: libjpeg, jdapimin.c, default_decompress_parms().
JpegColor jpeg_color(const std::uint8_t* bytes, std::size_t size) noexcept;

}  // namespace edgecore::tensorrt
