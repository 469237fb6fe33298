// libbmrt and the libbmlib that it brings, opened at run time, and owners for their handles.
#pragma once

#include <memory>
#include <string>

#include "abi/bmlib.h"
#include "abi/bmrt.h"
#include "edgecore/abi.h"

namespace edgecore::sophon {

/// The opened libraries. One per process, never closed.
struct Libraries {
  bm::Api lib{};
  bm::RuntimeApi rt{};
  std::string title;  // "BMRuntime, /opt/sophon/libsophon-0.5.1/lib/libbmrt.so.1.0"
};

/// Opens $EDGECORE_BMRT if set, else the runtime under the names it has had; kNotFound says what to do.
abi::Code open_libraries(Libraries& libraries, abi::Error* error) noexcept;

/// "bm_dev_request: status 5 (out of device memory)" into *error unless `status` is success.
abi::Code check(bm::Status status, const char* call, abi::Error* error) noexcept;

/// An opened device, its own queue of work. Move-only.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  abi::Code open(const Libraries& libraries, std::int32_t index, abi::Error* error) noexcept;

  bm::Handle handle() const noexcept { return handle_; }
  bool is_soc() const noexcept { return is_soc_; }
  unsigned chip_id() const noexcept { return chip_id_; }

 private:
  const Libraries* libraries_ = nullptr;
  bm::Handle handle_ = nullptr;
  bool is_soc_ = false;
  unsigned chip_id_ = 0;
};

/// Device memory and the host's view of it: the same bytes on the chip itself, a buffer beside it behind PCIe.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  abi::Code allocate(const Libraries& libraries, const Device& device, std::size_t size_bytes,
                     abi::Error* error) noexcept;

  const bm::DeviceMemory& memory() const noexcept { return memory_; }
  void* host() const noexcept { return mapped_ != nullptr ? mapped_ : host_.get(); }

  /// To the device, and from it into host(). On the chip itself `from` may be host(), and nothing is then copied.
  abi::Code upload(const void* from, std::size_t size_bytes, abi::CopyCounts& counts, abi::Error* error) noexcept;
  abi::Code download(std::size_t size_bytes, abi::CopyCounts& counts, abi::Error* error) noexcept;

 private:
  const Libraries* libraries_ = nullptr;
  bm::Handle handle_ = nullptr;
  bm::DeviceMemory memory_{};
  bool is_allocated_ = false;
  void* mapped_ = nullptr;
  std::unique_ptr<char[]> host_;
};

/// Device memory that the picture units reach, out of the host's sight.
class PictureMemory {
 public:
  PictureMemory() = default;
  PictureMemory(const PictureMemory&) = delete;
  PictureMemory& operator=(const PictureMemory&) = delete;
  ~PictureMemory();

  /// At least `size_bytes`. What was in it is lost where it has to grow.
  abi::Code reserve(const Libraries& libraries, const Device& device, std::size_t size_bytes,
                    abi::Error* error) noexcept;
  void free() noexcept;

  const bm::DeviceMemory& memory() const noexcept { return memory_; }

 private:
  const Libraries* libraries_ = nullptr;
  bm::Handle handle_ = nullptr;
  bm::DeviceMemory memory_{};
};

}  // namespace edgecore::sophon
