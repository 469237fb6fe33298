#include "pictures.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edgecore/module.h"

namespace edgecore::v4l2 {
namespace {

using edgecore::abi::Code;
using edgecore::abi::ColorMatrix;
using edgecore::abi::ColorRange;
using edgecore::abi::Error;
using edgecore::abi::Picture;
using edgecore::abi::PixelLayout;
using module::fail;

constexpr std::uint32_t kSpare = 10;        // beyond what decoding needs: pictures that are queued, prepared and held
constexpr std::uint32_t kUsualMinimum = 6;  // of drivers that do not tell

struct Known {
  std::uint32_t fourcc;
  PixelLayout layout;
  std::uint32_t memories;
};
constexpr Known kKnown[] = {{abi::kNv12, PixelLayout::kSemiPlanar, 1},
                            {abi::kNv12M, PixelLayout::kSemiPlanar, 2},
                            {abi::kYuv420, PixelLayout::kPlanar, 1},
                            {abi::kYuv420M, PixelLayout::kPlanar, 3}};

const Known* find_known(std::uint32_t fourcc) {
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown),
                                   [&](const Known& known) { return known.fourcc == fourcc; });
  return found == std::end(kKnown) ? nullptr : found;
}

/// A stream that says nothing is BT.709 where it is larger than standard definition: the core's own rule for files.
ColorMatrix matrix_of(const abi::Pixels& pixels, std::int32_t width_px, std::int32_t height_px) {
  if (pixels.encoding == abi::kEncoding709) return ColorMatrix::kBt709;
  if (pixels.encoding == abi::kEncoding601) return ColorMatrix::kBt601;
  const bool is_hd = pixels.colorspace == 0 ? width_px >= 1280 || height_px > 576 : pixels.colorspace == abi::kRec709;
  return is_hd ? ColorMatrix::kBt709 : ColorMatrix::kBt601;
}

/// The visible part of what is decoded in whole blocks. Drivers that tell it in neither way show all.
abi::Rectangle visible_part(const Device& device, const abi::Pixels& pixels) {
  abi::Selection selection{};
  selection.type = abi::kCapture;  // also where planes are many: what every kernel takes
  selection.target = abi::kTargetCompose;
  if (device.call(abi::kGetSelection, &selection) == 0) return selection.rectangle;
  abi::Crop crop{};  // of NVIDIA's plug-in (NvV4l2ElementPlane::getCrop)
  crop.type = abi::kCaptureMplane;
  if (device.call(abi::kGetCrop, &crop) == 0) return crop.rectangle;
  return {0, 0, pixels.width_px, pixels.height_px};
}

// linux/dma-buf.h: between the two the CPU sees what the device wrote.
struct DmaBufSync {
  std::uint64_t flags;
};
constexpr unsigned long kSync = 1UL << 30U | sizeof(DmaBufSync) << 16U | static_cast<unsigned long>('b') << 8U;
constexpr std::uint64_t kStartReading = 1, kEndReading = 1 | 4;

class Reading {
 public:
  explicit Reading(const PictureBuffer& buffer) : buffer_(buffer) { tell(kStartReading); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { tell(kEndReading); }

 private:
  /// Its failure is no reason not to read: a buffer without it is the CPU's at all times.
  void tell(std::uint64_t flags) const {
    for (std::uint32_t i = 0; i < buffer_.memory_count; ++i) {
      DmaBufSync sync{flags};
      ::ioctl(buffer_.memories[i].fd, kSync, &sync);
    }
  }
  const PictureBuffer& buffer_;
};

}  // namespace

Code failed(const char* call, int code, Error* error) noexcept {
  return fail(error, Code::kSdk, "%s: %s", call, std::strerror(code));
}

int plane_count(const Picture& picture) noexcept { return picture.layout == PixelLayout::kPlanar ? 3 : 2; }

std::size_t row_bytes(const Picture& picture, int plane) noexcept {
  const auto width = static_cast<std::size_t>(picture.width_px);
  if (plane == 0) return width;
  return picture.layout == PixelLayout::kSemiPlanar ? (width + 1) / 2 * 2 : (width + 1) / 2;
}

std::size_t row_count(const Picture& picture, int plane) noexcept {
  const auto height = static_cast<std::size_t>(picture.height_px);
  return plane == 0 ? height : (height + 1) / 2;
}

PictureSet::~PictureSet() {
  for (const PictureBuffer& buffer : buffers_) {
    for (const PictureBuffer::Memory& memory : buffer.memories) {
      if (memory.mapped != nullptr) ::munmap(memory.mapped, memory.size_bytes);
      if (memory.fd >= 0) ::close(memory.fd);
    }
  }
}

std::size_t PictureSet::held() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(buffers_.begin(), buffers_.end(), [](const PictureBuffer& each) { return each.is_held; }));
}

Code PictureSet::settle_format(const Device& device, Error* error) noexcept {
  abi::Format format{};
  format.type = abi::kCaptureMplane;
  if (int code = device.call(abi::kGetFormat, &format); code != 0) return failed("VIDIOC_G_FMT", code, error);
  const std::uint32_t offered = format.pixels.pixel_format;
  const Known* known = find_known(offered);
  for (const Known* wish = std::begin(kKnown); known == nullptr && wish != std::end(kKnown); ++wish) {
    format.pixels.pixel_format = wish->fourcc;
    if (device.call(abi::kSetFormat, &format) == 0) known = find_known(format.pixels.pixel_format);
  }
  if (known == nullptr) {
    return fail(error, Code::kUnsupported, "the decoder gives pictures as '%.4s'; known: NV12, NM12, YU12, YM12",
                reinterpret_cast<const char*>(&offered));
  }
  // Said again although it is what was offered: NVIDIA's samples do, whose plug-in is not the kernel.
  if (int code = device.call(abi::kSetFormat, &format); code != 0) return failed("VIDIOC_S_FMT", code, error);
  const abi::Pixels& pixels = format.pixels;
  const abi::Rectangle visible = visible_part(device, pixels);
  if (visible.left != 0 || visible.top != 0 || visible.width == 0 || visible.height == 0 ||
      visible.width > pixels.width_px || visible.height > pixels.height_px || pixels.width_px > 65536 ||
      pixels.height_px > 65536) {
    return fail(error, Code::kUnsupported, "the visible part of a picture is %ux%u at %d,%d of %ux%u", visible.width,
                visible.height, visible.left, visible.top, pixels.width_px, pixels.height_px);
  }
  like_ = {};
  like_.width_px = static_cast<std::int32_t>(visible.width);
  like_.height_px = static_cast<std::int32_t>(visible.height);
  like_.layout = known->layout;
  like_.matrix = matrix_of(pixels, like_.width_px, like_.height_px);
  like_.range = pixels.quantization == abi::kFullRange ? ColorRange::kFull : ColorRange::kLimited;
  like_.place = edgecore::abi::Place::kDmaBuf;
  memory_count_ = known->memories;
  std::size_t offset = 0;
  for (int plane = 0; plane < plane_count(like_); ++plane) {
    const bool has_own = known->memories > 1;
    std::uint32_t stride = pixels.planes[has_own ? plane : 0].stride_bytes;
    if (!has_own && plane > 0 && known->layout == PixelLayout::kPlanar) stride /= 2;
    if (stride < row_bytes(like_, plane)) {
      return fail(error, Code::kSdk, "VIDIOC_S_FMT: %u bytes between the rows of plane %d, %zu at least expected", stride,
                  plane, row_bytes(like_, plane));
    }
    like_.stride_bytes[plane] = static_cast<std::int32_t>(stride);
    places_[plane] = has_own ? Place{static_cast<std::uint32_t>(plane), 0} : Place{0, offset};
    offset += std::size_t{stride} * (plane == 0 ? pixels.height_px : (pixels.height_px + 1) / 2);
  }
  return Code::kOk;
}

Code PictureSet::open(const Device& device, Error* error) noexcept {
  if (Code code = settle_format(device, error); code != Code::kOk) return code;
  abi::Control minimum{abi::kMinCaptureBuffers, 0};
  const bool is_told = device.call(abi::kGetControl, &minimum) == 0 && minimum.value > 0;
  abi::RequestBuffers wish{};
  wish.count = (is_told ? static_cast<std::uint32_t>(minimum.value) : kUsualMinimum) + kSpare;
  wish.type = abi::kCaptureMplane;
  wish.memory = abi::kMmap;
  if (int code = device.call(abi::kRequestBuffers, &wish); code != 0) return failed("VIDIOC_REQBUFS", code, error);
  buffers_.resize(wish.count);
  for (std::uint32_t index = 0; index < wish.count; ++index) {
    if (Code code = export_buffer(device, index, error); code != Code::kOk) return code;
  }
  return Code::kOk;
}

Code PictureSet::export_buffer(const Device& device, std::uint32_t index, Error* error) noexcept {
  PictureBuffer& own = buffers_[index];
  abi::BufferPlane planes[8] = {};
  abi::Buffer buffer{};
  buffer.index = index;
  buffer.type = abi::kCaptureMplane;
  buffer.memory = abi::kMmap;
  buffer.planes = planes;
  buffer.plane_count = 8;
  if (int code = device.call(abi::kQueryBuffer, &buffer); code != 0) return failed("VIDIOC_QUERYBUF", code, error);
  if (buffer.plane_count != memory_count_) {
    return fail(error, Code::kSdk, "VIDIOC_QUERYBUF: a picture of %u memories, %u expected", buffer.plane_count,
                memory_count_);
  }
  own.set = this;
  own.index = index;
  own.memory_count = memory_count_;
  for (std::uint32_t plane = 0; plane < memory_count_; ++plane) {
    abi::ExportBuffer wish{};
    wish.type = abi::kCaptureMplane;
    wish.index = index;
    wish.plane = plane;
    wish.flags = O_RDONLY | O_CLOEXEC;
    if (int code = device.call(abi::kExportBuffer, &wish); code != 0) return failed("VIDIOC_EXPBUF", code, error);
    own.memories[plane].fd = wish.fd;
    own.memories[plane].size_bytes = planes[plane].length_bytes;
  }
  return Code::kOk;
}

Code PictureSet::queue(const Device& device, const PictureBuffer& buffer, Error* error) noexcept {
  abi::BufferPlane planes[3] = {};
  for (std::uint32_t i = 0; i < buffer.memory_count; ++i) {
    planes[i].length_bytes = static_cast<std::uint32_t>(buffer.memories[i].size_bytes);
  }
  abi::Buffer wish{};
  wish.index = buffer.index;
  wish.type = abi::kCaptureMplane;
  wish.memory = abi::kMmap;
  wish.planes = planes;
  wish.plane_count = buffer.memory_count;
  const int code = device.call(abi::kQueueBuffer, &wish);
  return code == 0 ? Code::kOk : failed("VIDIOC_QBUF of a picture", code, error);
}

Code PictureSet::read(PictureBuffer& buffer, const Picture& host, Error* error) noexcept {
  for (std::uint32_t i = 0; i < buffer.memory_count; ++i) {
    PictureBuffer::Memory& memory = buffer.memories[i];
    if (memory.mapped != nullptr) continue;
    void* mapped = ::mmap(nullptr, memory.size_bytes, PROT_READ, MAP_SHARED, memory.fd, 0);
    if (mapped == MAP_FAILED) return failed("mmap of a picture's dma-buf", errno, error);
    memory.mapped = mapped;
  }
  const Reading reading(buffer);
  for (int plane = 0; plane < plane_count(like_); ++plane) {
    const std::size_t width = row_bytes(like_, plane), rows = row_count(like_, plane);
    const auto stride = static_cast<std::size_t>(like_.stride_bytes[plane]);
    const PictureBuffer::Memory& memory = buffer.memories[places_[plane].memory];
    if (places_[plane].offset + stride * (rows - 1) + width > memory.size_bytes) {
      return fail(error, Code::kSdk, "plane %d does not fit into the picture's %zu bytes", plane, memory.size_bytes);
    }
    const auto* from = static_cast<const unsigned char*>(memory.mapped) + places_[plane].offset;
    auto* to = static_cast<unsigned char*>(host.planes[plane]);
    for (std::size_t row = 0; row < rows; ++row, from += stride, to += host.stride_bytes[plane]) {
      std::memcpy(to, from, width);
    }
  }
  return Code::kOk;
}

}  // namespace edgecore::v4l2
