// The buffers that a decoder writes its pictures to: dma-bufs, exported once.
#pragma once

#include <memory>
#include <vector>

#include "abi/videodev.h"
#include "edgecore/abi.h"
#include "node.h"

namespace edgecore::v4l2 {

class PictureSet;

/// One picture's memory: one dma-buf, or one for each plane.
struct PictureBuffer {
  struct Memory {
    int fd = -1;
    std::size_t size_bytes = 0;
    void* mapped = nullptr;  // when somebody wanted to read it
  };
  PictureSet* set = nullptr;
  std::uint32_t index = 0;
  std::uint32_t memory_count = 0;
  Memory memories[3];
  bool is_held = false;  // by who pulled it
};

/// All buffers of one format. Outlives its format where pictures of it are still held.
class PictureSet {
 public:
  PictureSet() = default;
  PictureSet(const PictureSet&) = delete;
  PictureSet& operator=(const PictureSet&) = delete;
  ~PictureSet();

  /// Asks the device for buffers of the format that it has settled on, `least` and some to hold.
  edgecore::abi::Code open(const Device& device, edgecore::abi::Error* error) noexcept;

  /// To the device, which may write to it.
  edgecore::abi::Code queue(const Device& device, const PictureBuffer& buffer, edgecore::abi::Error* error) noexcept;

  std::vector<PictureBuffer>& buffers() noexcept { return buffers_; }
  std::size_t held() const noexcept;
  /// What all its pictures have in common; planes are offsets into nothing: they lie in the dma-buf.
  const edgecore::abi::Picture& like() const noexcept { return like_; }

  /// Through the CPU's view of the dma-bufs, which have to be linear. `host` has the picture's size and layout.
  edgecore::abi::Code read(PictureBuffer& buffer, const edgecore::abi::Picture& host,
                           edgecore::abi::Error* error) noexcept;

 private:
  edgecore::abi::Code settle_format(const Device& device, edgecore::abi::Error* error) noexcept;
  edgecore::abi::Code export_buffer(const Device& device, std::uint32_t index, edgecore::abi::Error* error) noexcept;

  struct Place {
    std::uint32_t memory = 0;
    std::size_t offset = 0;
  };
  edgecore::abi::Picture like_;
  Place places_[3];  // of the planes
  std::uint32_t memory_count_ = 1;
  std::vector<PictureBuffer> buffers_;
};

int plane_count(const edgecore::abi::Picture& picture) noexcept;
std::size_t row_bytes(const edgecore::abi::Picture& picture, int plane) noexcept;
std::size_t row_count(const edgecore::abi::Picture& picture, int plane) noexcept;

/// "VIDIOC_REQBUFS: Device or resource busy"
edgecore::abi::Code failed(const char* call, int code, edgecore::abi::Error* error) noexcept;

}  // namespace edgecore::v4l2
