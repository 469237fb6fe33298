#include "tests/gpu_check.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;

/// One slot as the engine has it.
struct Slot {
  Stream stream;
  PictureFeed feed;
  DeviceMemory target;
  abi::CopyCounts copies;

  /// The target is poisoned first, so that a value nobody wrote shows.
  Code prepare(const PictureKernels& kernels, const abi::Picture& picture, const abi::PictureInput& wish,
               std::vector<float>& found, Error* error) {
    const std::size_t values = static_cast<std::size_t>(wish.width_px) * static_cast<std::size_t>(wish.height_px) * 3;
    const std::size_t size_bytes = values * sizeof(float);
    found.assign(values, std::numeric_limits<float>::quiet_NaN());
    if (Code code = target.reserve(kernels.gpu(), size_bytes, error); code != Code::kOk) return code;
    if (Code code = stream.to_device(target.get(), found.data(), size_bytes, error); code != Code::kOk) return code;
    if (Code code = feed.prepare(kernels, picture, wish, stream, target.get(), copies, error); code != Code::kOk) {
      return code;
    }
    if (Code code = stream.to_host(found.data(), target.get(), size_bytes, error); code != Code::kOk) return code;
    return stream.synchronize(error);
  }
};

}  // namespace

Code OnDevice::upload(const Gpu& gpu, const Stream& stream, const PictureCase& item, Error* error) {
  if (Code code = memory.reserve(gpu, item.samples.size(), error); code != Code::kOk) return code;
  picture = item.picture;
  picture.place = abi::Place::kDevice;
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const auto offset = static_cast<const std::uint8_t*>(item.picture.planes[plane]) - item.samples.data();
    picture.planes[plane] = static_cast<std::uint8_t*>(memory.data()) + offset;
  }
  if (Code code = stream.to_device(memory.get(), item.samples.data(), item.samples.size(), error); code != Code::kOk) {
    return code;
  }
  return stream.synchronize(error);
}

HostPicture::HostPicture(const abi::Picture& like) : picture(like) {
  picture.place = abi::Place::kHost;
  std::size_t total = 0;
  std::size_t offsets[3] = {};
  for (int plane = 0; plane < plane_count(like); ++plane) {
    const PlaneSize size = plane_size(like, plane);
    picture.stride_bytes[plane] = size.row_bytes;
    offsets[plane] = total;
    total += static_cast<std::size_t>(size.row_bytes) * static_cast<std::size_t>(size.rows);
  }
  samples.resize(total);
  for (int plane = 0; plane < plane_count(like); ++plane) picture.planes[plane] = samples.data() + offsets[plane];
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int check_pictures(const PictureKernels& kernels, int cases) {
  Error error;
  Slot slot;
  OnDevice device;
  if (slot.stream.create(kernels.gpu(), &error) != Code::kOk) {
    std::printf("error: %s\n", error.text);
    return 1;
  }
  int failures = 0;
  std::size_t values = 0;
  std::size_t different = 0;
  double max_levels = 0.0;
  for (int seed = 0; seed < cases; ++seed) {
    // Most are small, where edges weigh; some as large as video is.
    const std::int32_t max_side_px = seed % 30 == 0 ? 2000 : seed % 2 == 0 ? 40 : 300;
    const PictureCase item = make_case(static_cast<std::uint32_t>(seed), max_side_px);
    const std::vector<float> expected = prepare_on_cpu(item);
    for (const bool on_device : {false, true}) {
      std::vector<float> found;
      if (on_device && device.upload(kernels.gpu(), slot.stream, item, &error) != Code::kOk) return failures + 1;
      const abi::Picture& picture = on_device ? device.picture : item.picture;
      const Code code = slot.prepare(kernels, picture, wish_of(item), found, &error);
      const Difference sum = code == Code::kOk ? difference(item, expected, found) : Difference{};
      values += expected.size();
      different += sum.values;
      max_levels = std::max(max_levels, sum.max_levels);
      if (code == Code::kOk && sum.max_levels <= 1.0 && expected.size() == found.size()) continue;
      if (++failures <= 10) {
        std::printf("  case %d (%s), %s: %s, up to %.3f of 255\n", seed, on_device ? "device" : "host",
                    describe(item).c_str(), code == Code::kOk ? "differs" : error.text, sum.max_levels);
      }
    }
  }
  std::printf("kernels against the CPU: %d pictures from host and device, %zu values: %zu differ, max %.4f of 255, "
              "%d failures; %llu uploads counted\n", cases, values, different, max_levels, failures,
              static_cast<unsigned long long>(slot.copies.to_device));
  if (slot.copies.to_device != static_cast<std::uint64_t>(cases)) ++failures;  // one for each from the host
  return failures;
}

}  // namespace edgecore::tensorrt
