// The part of libbmcv's C API that this module calls, declared by us: no SDK is needed to compile.
//
// Facts from bmcv/include/bmcv_api_ext.h and bmcv/src of github.com/sophgo/libsophon at the releases 23.05.01, 0.4.9,
// 23.09 LTS, 0.5.0, 23.10.01 and 24.04.01 (the same in all, but for the last argument of bmcv_image_jpeg_dec), and from
// bmcv/include/bmcv_api_ext_c.h of github.com/sophgo/libsophav, which is BM1688's. Releases 22.09 to 22.12 and BMNNSDK2
// are not public as source: that they agree is from memory. No library of the kind was ever called from here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bmlib.h"

namespace bm {

enum ImageFormat : int {
  kYuv420Planar = 0,
  kYuv422Planar = 1,
  kYuv444Planar = 2,
  kNv12 = 3,
  kRgbPlanar = 8,
  kBgrPlanar = 9,
  kGray = 14,
};

enum ImageType : int { kImageFloat32 = 0, kImageByte = 1 };

enum Resampling : int { kNearest = 0, kLinear = 1 };

/// "YCbCr" is limited range, "YPbPr" full: bmcv_1684_vpp_internal.cpp has the matrices (first gain 1192/1024 or 1).
enum ColorConversion : int {
  kLimitedBt601ToRgb = 0,
  kFullBt601ToRgb = 1,
  kLimitedBt709ToRgb = 3,
  kFullBt709ToRgb = 6,
};

struct ImagePrivate;

/// bm_image, passed by value. private_part null: not created.
struct Image {
  int width;
  int height;
  ImageFormat format;
  ImageType type;
  ImagePrivate* private_part;
};
static_assert(sizeof(Image) == 24 && offsetof(Image, private_part) == 16);

struct Rectangle {
  int left;
  int top;
  int width;
  int height;
};
static_assert(sizeof(Rectangle) == 16);

/// bmcv_padding_atrr_t: where in the output the picture goes, and with what the rest is filled if `fills`.
struct Padding {
  unsigned left;
  unsigned top;
  unsigned width;
  unsigned height;
  std::uint8_t red;
  std::uint8_t green;
  std::uint8_t blue;
  int fills;
};
static_assert(sizeof(Padding) == 24 && offsetof(Padding, fills) == 20);

/// bmcv_convert_to_attr: value = sample * alpha + beta, by channel.
struct Linear {
  float alpha_0, beta_0;
  float alpha_1, beta_1;
  float alpha_2, beta_2;
};
static_assert(sizeof(Linear) == 24);

inline constexpr int kMaxPlanes = 8;

/// Members are named like the functions.
struct ImageApi {
  /// strides: bytes between rows, one a plane.
  Status (*bm_image_create)(Handle handle, int height, int width, ImageFormat format, ImageType type, Image* image,
                            int* strides);

  /// Frees what the library itself allocated, and ends the JPEG decoder whose picture it is; attached memory stays.
  /// libsophav takes a pointer here, which on AArch64 is the same call: what has over 16 bytes goes by reference.
  Status (*bm_image_destroy)(Image image);

  Status (*bm_image_attach)(Image image, DeviceMemory* planes);
  Status (*bm_image_get_stride)(Image image, int* strides);
  Status (*bm_image_get_device_mem)(Image image, DeviceMemory* planes);

  /// Crop, colours, size and place in one pass of the video post-processor (VPP); over when it returns. crop_counts and
  /// crops null: all of each input. matrix null: none of the caller's own.
  Status (*bmcv_image_vpp_basic)(Handle handle, int count, Image* in, Image* out, int* crop_counts, Rectangle* crops,
                                 Padding* padding, Resampling resampling, ColorConversion conversion, void* matrix);

  /// On the TPU. The output's stride is its width. Success is also reported where the TPU refused (bmcv_api_convert_to
  /// .cpp drops the inner status).
  Status (*bmcv_image_convert_to)(Handle handle, int count, Linear linear, Image* in, Image* out);

  /// An image that is not created yet (all zeros) becomes one in the file's own subsampling, in memory that VPP reads.
  /// What the JPEG unit cannot do (progressive, for example) is decoded by the CPU, to packed BGR. in_device: 0. Before
  /// 23.10.01 and in libsophav there is no such argument, and one too many in a register does no harm.
  Status (*bmcv_image_jpeg_dec)(Handle handle, void** data, std::size_t* sizes, int count, Image* out, int in_device);
};

}  // namespace bm
