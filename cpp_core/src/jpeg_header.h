// What a JPEG says of its colours: hardware decoders take three components for YCbCr, whatever they are. Compiled into
// the modules that need it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgecore {

enum class JpegColor { kNoJpeg, kYcbcrOrGray, kOther };

/// As libjpeg decides it: JFIF means YCbCr, else Adobe's marker says, else component names 'R' 'G' 'B' mean RGB.
/// Source: libjpeg, jdapimin.c, default_decompress_parms().
JpegColor jpeg_color(const std::uint8_t* bytes, std::size_t size) noexcept;

}  // namespace edgecore
