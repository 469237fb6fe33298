// What the host hands to a kernel: plain types alone, because the device compiler has no standard headers.
#pragma once

namespace edgecore::tensorrt {

/// A picture on its way into a model's input. All pointers are the device's.
struct PictureJob {
  // Y, U, V; of a semi-planar picture the second is where the UV pairs begin, the third is not used.
  const unsigned char* planes[3];
  int strides_bytes[3];
  int luma_width, luma_height;  // samples
  int chroma_width, chroma_height;

  // Where each pixel of the rectangle lies between two samples, in 1/16384 sample: luma's, then chroma's.
  const unsigned* columns;  // 2 x inner_width
  const unsigned* rows;     // 2 x inner_height

  float* target;
  int width, height;  // of the model's input
  int left, top, inner_width, inner_height;

  int black, luma, red_v, green_u, green_v, blue_u;  // gains with 13 fractional bits
  int is_nhwc, is_bgr;
  float pad[3];  // the bars' value per channel of the target
  float mean[3], scale[3];
};

}  // namespace edgecore::tensorrt
