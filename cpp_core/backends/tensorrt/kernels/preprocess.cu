// Picture -> model input in one pass: bilinear, YUV -> RGB, mean and scale. The arithmetic is that of the core's
// preprocess.cc, bit for bit: rows are blended before columns, both rounded half up in 8.6 fixed point, then gains
// with 13 fractional bits. Each thread makes four neighbours of a row, so that it stores 16 bytes at a time.
#include "picture_job.h"

namespace edgecore::tensorrt {
namespace {

constexpr int kWeightBits = 14;
constexpr int kSampleBits = 6;
constexpr int kGainBits = 13;
constexpr int kChromaZero = 128 << kSampleBits;
constexpr int kPixels = 4;  // a thread's

enum class Source { kPlanar, kSemiPlanar, kGray };

struct Chroma {
  int u, v;
};

__device__ int blend(int above, int below, int weight) {
  constexpr int kDrop = kWeightBits - kSampleBits;
  return (above << kSampleBits) + (((below - above) * weight + (1 << (kDrop - 1))) >> kDrop);
}

__device__ int resample(int first, int second, int weight) {
  return first + (((second - first) * weight + (1 << (kWeightBits - 1))) >> kWeightBits);
}

/// Two neighbours on one axis; at the last sample both are it, and the weight is 0.
struct Tap {
  int first, second, weight;

  __device__ Tap(unsigned position, int samples)
      : first(static_cast<int>(position >> kWeightBits)),
        second(min(first + 1, samples - 1)),
        weight(static_cast<int>(position & ((1U << kWeightBits) - 1))) {}
};

/// Two rows of one plane and how they blend.
struct Rows {
  const unsigned char* above;
  const unsigned char* below;
  int weight;

  __device__ Rows(const unsigned char* plane, int stride_bytes, Tap tap)
      : above(plane + static_cast<long long>(tap.first) * stride_bytes),
        below(plane + static_cast<long long>(tap.second) * stride_bytes),
        weight(tap.weight) {}

  __device__ int sample(Tap column) const {
    const int first = blend(__ldg(above + column.first), __ldg(below + column.first), weight);
    const int second = blend(__ldg(above + column.second), __ldg(below + column.second), weight);
    return resample(first, second, column.weight);
  }

  /// Of UV pairs.
  __device__ Chroma pair(Tap column) const {
    const uchar2 a = load(above, column.first), b = load(below, column.first);
    const uchar2 c = load(above, column.second), d = load(below, column.second);
    return {resample(blend(a.x, b.x, weight), blend(c.x, d.x, weight), column.weight),
            resample(blend(a.y, b.y, weight), blend(c.y, d.y, weight), column.weight)};
  }

 private:
  __device__ static uchar2 load(const unsigned char* row, int index) {
    return __ldg(reinterpret_cast<const uchar2*>(row) + index);
  }
};

__device__ float level(int sum) {
  constexpr int kDrop = kSampleBits + kGainBits;
  return static_cast<float>(min(max((sum + (1 << (kDrop - 1))) >> kDrop, 0), 255));
}

struct Pixel {
  float channels[3];
};

template <Source kSource>
struct Picture {
  const PictureJob& job;
  Rows luma, chroma, chroma_v;

  __device__ Picture(const PictureJob& the_job, int y)
      : job(the_job),
        luma(job.planes[0], job.strides_bytes[0], Tap(__ldg(job.rows + y), job.luma_height)),
        chroma(job.planes[1], job.strides_bytes[1], chroma_tap(y)),
        chroma_v(job.planes[2], job.strides_bytes[2], chroma_tap(y)) {}

  __device__ Tap chroma_tap(int y) const {
    if (kSource == Source::kGray) return Tap(0, 1);
    return Tap(__ldg(job.rows + job.inner_height + y), job.chroma_height);
  }

  __device__ Chroma chroma_at(int x) const {
    if (kSource == Source::kGray) return {kChromaZero, kChromaZero};
    const Tap column(__ldg(job.columns + job.inner_width + x), job.chroma_width);
    if (kSource == Source::kSemiPlanar) return chroma.pair(column);
    return {chroma.sample(column), chroma_v.sample(column)};
  }

  __device__ Pixel pixel(int x) const {
    const int y = luma.sample(Tap(__ldg(job.columns + x), job.luma_width)) - (job.black << kSampleBits);
    const Chroma c = chroma_at(x);
    const int u = c.u - kChromaZero;
    const int v = c.v - kChromaZero;
    const float red = level(job.luma * y + job.red_v * v);
    const float green = level(job.luma * y + job.green_u * u + job.green_v * v);
    const float blue = level(job.luma * y + job.blue_u * u);
    const float levels[3] = {job.is_bgr ? blue : red, green, job.is_bgr ? red : blue};
    Pixel out;
    for (int c3 = 0; c3 < 3; ++c3) {
      out.channels[c3] = __fmul_rn(__fsub_rn(levels[c3], job.mean[c3]), job.scale[c3]);
    }
    return out;
  }
};

__device__ void store_planar(const PictureJob& job, int x, int y, const Pixel (&pixels)[kPixels]) {
  const long long plane = static_cast<long long>(job.width) * job.height;
  float* out = job.target + static_cast<long long>(y) * job.width + x;
  for (int channel = 0; channel < 3; ++channel, out += plane) {
    if (job.width % kPixels == 0) {
      *reinterpret_cast<float4*>(out) = make_float4(pixels[0].channels[channel], pixels[1].channels[channel],
                                                    pixels[2].channels[channel], pixels[3].channels[channel]);
      continue;
    }
    for (int i = 0; i < kPixels && x + i < job.width; ++i) out[i] = pixels[i].channels[channel];
  }
}

__device__ void store_interleaved(const PictureJob& job, int x, int y, const Pixel (&pixels)[kPixels]) {
  float* out = job.target + (static_cast<long long>(y) * job.width + x) * 3;
  const Pixel(&p)[kPixels] = pixels;
  if (job.width % kPixels == 0) {
    float4* wide = reinterpret_cast<float4*>(out);
    wide[0] = make_float4(p[0].channels[0], p[0].channels[1], p[0].channels[2], p[1].channels[0]);
    wide[1] = make_float4(p[1].channels[1], p[1].channels[2], p[2].channels[0], p[2].channels[1]);
    wide[2] = make_float4(p[2].channels[2], p[3].channels[0], p[3].channels[1], p[3].channels[2]);
    return;
  }
  for (int i = 0; i < kPixels && x + i < job.width; ++i) {
    for (int channel = 0; channel < 3; ++channel) out[i * 3 + channel] = p[i].channels[channel];
  }
}

template <Source kSource>
__device__ void prepare(const PictureJob& job) {
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * kPixels;
  const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (x >= job.width || y >= job.height) return;

  Pixel pixels[kPixels];
  const Pixel bar = {{job.pad[0], job.pad[1], job.pad[2]}};
  const int inner_y = y - job.top;
  if (inner_y < 0 || inner_y >= job.inner_height) {
    for (int i = 0; i < kPixels; ++i) pixels[i] = bar;
  } else {
    // Beside the rectangle its nearest pixel is made and dropped: without a branch the reads of all four begin at once.
    const Picture<kSource> picture(job, inner_y);
    for (int i = 0; i < kPixels; ++i) {
      const int inner_x = x + i - job.left;
      const int nearest = min(max(inner_x, 0), job.inner_width - 1);
      const Pixel made = picture.pixel(nearest);
      pixels[i] = inner_x == nearest ? made : bar;
    }
  }
  if (job.is_nhwc) {
    store_interleaved(job, x, y, pixels);
  } else {
    store_planar(job, x, y, pixels);
  }
}

}  // namespace
}  // namespace edgecore::tensorrt

using edgecore::tensorrt::PictureJob;
using edgecore::tensorrt::Source;
using edgecore::tensorrt::prepare;

// One per layout of the picture; preprocess.cc knows the names.
extern "C" __global__ void edgecore_prepare_planar(const PictureJob job) { prepare<Source::kPlanar>(job); }
extern "C" __global__ void edgecore_prepare_semiplanar(const PictureJob job) { prepare<Source::kSemiPlanar>(job); }
extern "C" __global__ void edgecore_prepare_gray(const PictureJob job) { prepare<Source::kGray>(job); }
