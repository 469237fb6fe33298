// The part of the kernel's V4L2 interface that a stateful memory-to-memory decoder needs, declared by us, so that no
// kernel header is needed to compile. The interface is frozen: the kernel keeps layouts and numbers.
//
// Source: "Linux Media Infrastructure userspace API", part I (ioctls and structures) and "Memory-to-Memory Stateful Video
// Decoder Interface" (the order of calls). tests/abi_check.cc compares all of it with the headers of the toolchain.
// tests/test_v4l2.py runs it. The library's functions: libv4l2's own description, "libv4l2.h" of v4l-utils.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/time.h>

namespace edgecore::v4l2::abi {

constexpr std::uint32_t fourcc(char a, char b, char c, char d) noexcept {
  return static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b) << 8U | static_cast<std::uint32_t>(c) << 16U |
         static_cast<std::uint32_t>(d) << 24U;
}
inline constexpr std::uint32_t kH264 = fourcc('H', '2', '6', '4');
inline constexpr std::uint32_t kHevc = fourcc('H', 'E', 'V', 'C');
inline constexpr std::uint32_t kH265 = fourcc('H', '2', '6', '5');  // NVIDIA's name for HEVC, beside the kernel's
inline constexpr std::uint32_t kNv12 = fourcc('N', 'V', '1', '2');   // one memory for both planes
inline constexpr std::uint32_t kNv12M = fourcc('N', 'M', '1', '2');  // one memory for each plane
inline constexpr std::uint32_t kYuv420 = fourcc('Y', 'U', '1', '2');
inline constexpr std::uint32_t kYuv420M = fourcc('Y', 'M', '1', '2');

enum Type : std::uint32_t { kCapture = 1, kCaptureMplane = 9, kOutputMplane = 10 };
enum Memory : std::uint32_t { kMmap = 1 };

inline constexpr std::uint32_t kCapM2mMplane = 0x00004000;
inline constexpr std::uint32_t kCapDeviceCaps = 0x80000000;
inline constexpr std::uint32_t kFlagError = 0x00000040;          // the picture is damaged
inline constexpr std::uint32_t kFlagTimestampCopy = 0x00004000;  // pictures carry the time of their unit
inline constexpr std::uint32_t kFlagLast = 0x00100000;           // nothing follows in this format, or at all
inline constexpr std::uint32_t kEventSourceChange = 5;
inline constexpr std::uint32_t kTargetCompose = 0x0100;       // the visible part of a decoded picture
inline constexpr std::uint32_t kMinCaptureBuffers = 0x00980927;  // V4L2_CID_MIN_BUFFERS_FOR_CAPTURE
inline constexpr std::uint32_t kCommandStop = 1;

enum ColorSpace : std::uint32_t { kRec709 = 3 };
enum Encoding : std::uint8_t { kEncodingDefault = 0, kEncoding601 = 1, kEncoding709 = 2 };
enum Quantization : std::uint8_t { kFullRange = 1 };

struct Capability {
  std::uint8_t driver[16];
  std::uint8_t card[32];
  std::uint8_t bus_info[32];
  std::uint32_t version;
  std::uint32_t capabilities;
  std::uint32_t device_caps;
  std::uint32_t reserved[3];
};

struct PlaneFormat {
  std::uint32_t size_bytes;
  std::uint32_t stride_bytes;
  std::uint16_t reserved[6];
};

/// Packed in the kernel, which changes no offset here.
struct Pixels {
  std::uint32_t width_px;
  std::uint32_t height_px;
  std::uint32_t pixel_format;
  std::uint32_t field;
  std::uint32_t colorspace;
  PlaneFormat planes[8];
  std::uint8_t plane_count;
  std::uint8_t flags;
  std::uint8_t encoding;
  std::uint8_t quantization;
  std::uint8_t transfer;
  std::uint8_t reserved[7];
};

struct Format {
  std::uint32_t type;
  union {
    alignas(8) Pixels pixels;
    std::uint8_t raw[200];
  };
};

struct RequestBuffers {
  std::uint32_t count;
  std::uint32_t type;
  std::uint32_t memory;
  std::uint32_t capabilities;
  std::uint8_t flags;
  std::uint8_t reserved[3];
};

struct BufferPlane {
  std::uint32_t used_bytes;
  std::uint32_t length_bytes;
  union {
    std::uint32_t offset;  // for mmap
    std::uint64_t pointer;
  };
  std::uint32_t data_offset;
  std::uint32_t reserved[11];
};

struct Buffer {
  std::uint32_t index;
  std::uint32_t type;
  std::uint32_t used_bytes;
  std::uint32_t flags;
  std::uint32_t field;
  timeval timestamp;
  std::uint8_t timecode[16];
  std::uint32_t sequence;
  std::uint32_t memory;
  BufferPlane* planes;
  std::uint32_t plane_count;
  std::uint32_t reserved2;
  std::uint32_t reserved;
};

struct ExportBuffer {
  std::uint32_t type;
  std::uint32_t index;
  std::uint32_t plane;
  std::uint32_t flags;  // of open(): O_RDONLY, O_CLOEXEC
  std::int32_t fd;
  std::uint32_t reserved[11];
};

struct Rectangle {
  std::int32_t left, top;
  std::uint32_t width, height;
};

struct Selection {
  std::uint32_t type;
  std::uint32_t target;
  std::uint32_t flags;
  Rectangle rectangle;
  std::uint32_t reserved[9];
};

struct Crop {
  std::uint32_t type;
  Rectangle rectangle;
};

struct Control {
  std::uint32_t id;
  std::int32_t value;
};

struct DecoderCommand {
  std::uint32_t command;
  std::uint32_t flags;
  std::uint64_t raw[8];
};

struct EventSubscription {
  std::uint32_t type;
  std::uint32_t id;
  std::uint32_t flags;
  std::uint32_t reserved[5];
};

struct Event {
  std::uint32_t type;
  alignas(8) std::uint8_t data[64];
  std::uint32_t pending;
  std::uint32_t sequence;
  timespec timestamp;
  std::uint32_t id;
  std::uint32_t reserved[8];
};

static_assert(sizeof(void*) == 8 && sizeof(timeval) == 16, "the layouts here are those of LP64");
static_assert(sizeof(Capability) == 104 && sizeof(PlaneFormat) == 20 && sizeof(Format) == 208);
static_assert(offsetof(Pixels, plane_count) == 180 && offsetof(Format, pixels) == 8);
static_assert(sizeof(RequestBuffers) == 20 && sizeof(BufferPlane) == 64 && sizeof(ExportBuffer) == 64);
static_assert(sizeof(Buffer) == 88 && offsetof(Buffer, timestamp) == 24 && offsetof(Buffer, planes) == 64);
static_assert(sizeof(Selection) == 64 && sizeof(Crop) == 20 && sizeof(Control) == 8 && sizeof(DecoderCommand) == 72);
static_assert(sizeof(EventSubscription) == 32 && sizeof(Event) == 136 && offsetof(Event, timestamp) == 80);

/// The kernel's coding of a request: direction (1 writes, 2 reads), size of the argument, number within 'V'.
template <typename Argument>
constexpr unsigned long request(unsigned direction, unsigned number) noexcept {
  return static_cast<unsigned long>(direction) << 30U | sizeof(Argument) << 16U | static_cast<unsigned long>('V') << 8U |
         number;
}
inline constexpr unsigned long kQueryCapabilities = request<Capability>(2, 0);
inline constexpr unsigned long kGetFormat = request<Format>(3, 4);
inline constexpr unsigned long kSetFormat = request<Format>(3, 5);
inline constexpr unsigned long kRequestBuffers = request<RequestBuffers>(3, 8);
inline constexpr unsigned long kQueryBuffer = request<Buffer>(3, 9);
inline constexpr unsigned long kQueueBuffer = request<Buffer>(3, 15);
inline constexpr unsigned long kExportBuffer = request<ExportBuffer>(3, 16);
inline constexpr unsigned long kDequeueBuffer = request<Buffer>(3, 17);
inline constexpr unsigned long kStreamOn = request<int>(1, 18);
inline constexpr unsigned long kStreamOff = request<int>(1, 19);
inline constexpr unsigned long kGetControl = request<Control>(3, 27);
inline constexpr unsigned long kGetCrop = request<Crop>(3, 59);
inline constexpr unsigned long kDequeueEvent = request<Event>(2, 89);
inline constexpr unsigned long kSubscribeEvent = request<EventSubscription>(1, 90);
inline constexpr unsigned long kGetSelection = request<Selection>(3, 94);
inline constexpr unsigned long kDecoderCommand = request<DecoderCommand>(3, 96);

// libv4l2: the kernel's calls by way of plug-ins that make a device of something else. -1 and errno on failure.
using Open = int (*)(const char* file, int flags, ...);
using Close = int (*)(int fd);
using Ioctl = int (*)(int fd, unsigned long request, ...);
using Mmap = void* (*)(void* start, std::size_t length, int protection, int flags, int fd, std::int64_t offset);
using Munmap = int (*)(void* start, std::size_t length);

}  // namespace edgecore::v4l2::abi
