// Where decoders are: device nodes, and through which door each is opened.
#pragma once

#include <string>
#include <vector>

#include "abi/videodev.h"
#include "edgecore/abi.h"

namespace edgecore::v4l2 {

/// The kernel's calls, or libv4l2's, which make a decoder of a node that the kernel knows nothing of.
struct Door {
  std::string title;  // "libnvv4l2.so" or "the kernel"
  bool is_kernel = true;
  abi::Open open = nullptr;
  abi::Close close = nullptr;
  abi::Ioctl ioctl = nullptr;
  abi::Mmap mmap = nullptr;
  abi::Munmap munmap = nullptr;
};

/// One decoder that was found.
struct Node {
  const Door* door = nullptr;
  std::string path;
  std::string title;  // what the driver calls itself

  /// Its pictures are NvBufSurfaces, which are block linear.
  bool is_surface() const noexcept;
};

/// An opened node; closes itself. Calls never block.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  /// False, errno set.
  bool open(const Door& door, const std::string& path) noexcept;
  bool is_open() const noexcept { return fd_ >= 0; }
  /// 0, or errno; repeated when a signal cuts it short.
  int call(unsigned long request, void* argument) const noexcept;
  /// Until something may have happened, or 20 ms have passed.
  void wait() const noexcept;
  void* map(std::size_t size_bytes, std::int64_t offset) const noexcept;  // nullptr, errno set
  void unmap(void* address, std::size_t size_bytes) const noexcept;

 private:
  const Door* door_ = nullptr;
  int fd_ = -1;
};

/// All decoders of the box. kNotFound, with what was looked at, where there is none.
class Nodes {
 public:
  edgecore::abi::Code find(edgecore::abi::Error* error) noexcept;
  const std::vector<Node>& all() const noexcept { return found_; }

 private:
  Door kernel_, library_;
  std::vector<Node> found_;
};

/// Makes the coded side of the device that of a codec; false where it decodes nothing of the kind. `format`: as accepted.
bool set_codec(const Device& device, edgecore::abi::Codec codec, std::uint32_t size_bytes, abi::Format& format) noexcept;

}  // namespace edgecore::v4l2
