#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "tests/gpu_check.h"
#include "video.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using Clock = std::chrono::steady_clock;

struct Release {
  void operator()(abi::Decoder* decoder) const noexcept { decoder->release(); }
};

/// As in zip and PNG (ISO 3309), which every language has at hand.
std::uint32_t crc32(std::uint32_t crc, const std::uint8_t* bytes, std::size_t size) {
  crc = ~crc;
  for (std::size_t at = 0; at < size; ++at) {
    crc ^= bytes[at];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xEDB88320U & (0U - (crc & 1)));
  }
  return ~crc;
}

/// Of Y, then U, then V, as planar pictures hold them.
std::uint32_t planar_crc(const HostPicture& nv12) {
  const PlaneSize luma = plane_size(nv12.picture, 0);
  const auto luma_size = static_cast<std::size_t>(luma.row_bytes) * static_cast<std::size_t>(luma.rows);
  std::uint32_t crc = crc32(0, nv12.samples.data(), luma_size);
  for (const std::size_t first : {std::size_t{0}, std::size_t{1}}) {
    std::vector<std::uint8_t> chroma;
    for (std::size_t at = luma_size + first; at < nv12.samples.size(); at += 2) chroma.push_back(nv12.samples[at]);
    crc = crc32(crc, chroma.data(), chroma.size());
  }
  return crc;
}

/// One access unit: size (32 bits), time in microseconds (64 bits), bytes.
struct Unit {
  std::int64_t pts_us = 0;
  const char* bytes = nullptr;
  std::size_t size_bytes = 0;
};

std::vector<Unit> units_in(const std::vector<char>& file) {
  std::vector<Unit> units;
  for (std::size_t at = 0; at + 12 <= file.size();) {
    std::uint32_t size = 0;
    Unit unit;
    std::memcpy(&size, &file[at], sizeof size);
    std::memcpy(&unit.pts_us, &file[at + 4], sizeof unit.pts_us);
    if (size > file.size() - at - 12) break;
    unit.bytes = &file[at] + 12;
    unit.size_bytes = size;
    units.push_back(unit);
    at += 12 + size;
  }
  return units;
}

struct Expected {
  std::int64_t pts_us;
  std::uint32_t crc;
};

std::vector<Expected> expectations(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Expected> lines;
  for (Expected line{}; file >> line.pts_us >> line.crc;) lines.push_back(line);
  return lines;
}

/// The picture prepared where it is, against its samples prepared on the CPU.
bool prepared_alike(const PictureKernels& kernels, const Stream& stream, const abi::Picture& picture,
                    const HostPicture& host, Error* error) {
  PictureCase item = make_video_case(picture.layout, picture.width_px, picture.height_px, 640, 384);
  item.picture = host.picture;
  const std::vector<float> expected = prepare_on_cpu(item);
  std::vector<float> found(expected.size());
  PictureFeed feed;
  DeviceMemory target;
  abi::CopyCounts copies;
  const std::size_t size_bytes = found.size() * sizeof(float);
  return target.allocate(kernels.gpu(), size_bytes, error) == Code::kOk &&
         feed.prepare(kernels, picture, wish_of(item), stream, target.get(), copies, error) == Code::kOk &&
         stream.to_host(found.data(), target.get(), size_bytes, error) == Code::kOk &&
         stream.synchronize(error) == Code::kOk && copies.to_device == 0 &&
         difference(item, expected, found).values == 0;
}

/// Pictures that differ from what is expected, or are missing, or too many.
int check_clip(const PictureKernels& kernels, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::vector<Unit> units = units_in(bytes);
  const std::vector<Expected> expected = expectations(std::filesystem::path(path).replace_extension(".crc"));
  const bool h264 = path.stem().extension() == ".h264";
  Error error;
  Stream stream;
  abi::Decoder* opened = nullptr;
  const abi::Codec codec = h264 ? abi::Codec::kH264 : abi::Codec::kH265;
  if (stream.create(kernels.gpu(), &error) != Code::kOk ||
      open_video_decoder(kernels.gpu().driver(), 0, codec, &opened, &error) != Code::kOk) {
    std::printf("  %s: %s\n", path.filename().c_str(), error.text);
    return 1;
  }
  const std::unique_ptr<abi::Decoder, Release> decoder(opened);
  std::size_t pictures = 0;
  int failures = 0;
  double decode_ms = 0.0;
  abi::Picture picture;
  for (std::size_t at = 0; at <= units.size(); ++at) {
    const Unit unit = at < units.size() ? units[at] : Unit{};
    const auto started = Clock::now();
    if (decoder->push(unit.bytes, unit.size_bytes, unit.pts_us, &error) != Code::kOk) {
      std::printf("  %s, unit %zu: %s\n", path.filename().c_str(), at, error.text);
      return failures + 1;
    }
    decode_ms += std::chrono::duration<double, std::milli>(Clock::now() - started).count();
    std::int32_t has_picture = 1;
    while (decoder->pull(&picture, &has_picture, &error) == Code::kOk && has_picture != 0) {
      HostPicture host(picture);
      const bool known = pictures < expected.size();
      const bool same = decoder->download(picture, &host.picture, &error) == Code::kOk && known &&
                        planar_crc(host) == expected[pictures].crc && picture.pts_us == expected[pictures].pts_us;
      const bool alike = pictures % 20 != 0 || prepared_alike(kernels, stream, picture, host, &error);
      decoder->recycle(&picture);
      if (!same || !alike) ++failures;
      ++pictures;
    }
  }
  if (pictures != expected.size()) ++failures;
  std::printf("  %s: %zu units, %zu pictures of %dx%d, %zu expected, %d differ; %.2f ms a picture\n",
              path.filename().c_str(), units.size(), pictures, picture.width_px, picture.height_px, expected.size(),
              failures, decode_ms / static_cast<double>(std::max<std::size_t>(pictures, 1)));
  return failures;
}

}  // namespace

int check_video(const PictureKernels& kernels, const char* folder) {
  std::vector<std::filesystem::path> clips;
  if (folder != nullptr) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".units") clips.push_back(entry.path());
    }
  }
  std::sort(clips.begin(), clips.end());
  std::printf("video engine against FFmpeg, bit for bit, and on into the input without a copy:\n");
  int failures = 0;
  for (const auto& clip : clips) failures += check_clip(kernels, clip);
  if (clips.empty()) std::printf("  no clips: name a folder that gpu_clips.py filled\n");
  return failures;
}

}  // namespace edgecore::tensorrt
