// Pictures in device memory that decoders hand out and get back.
#pragma once

#include <memory>
#include <vector>

#include "cuda.h"
#include "edgecore/abi.h"
#include "picture_plan.h"

namespace edgecore::tensorrt {

/// Device memory for pictures, used again when they are returned.
class PicturePool {
 public:
  /// Sets planes, strides, place and token of a picture whose size and layout are set.
  abi::Code take(const Gpu& gpu, abi::Picture& picture, abi::Error* error) noexcept;
  void give_back(abi::Picture& picture) noexcept;

 private:
  std::vector<std::unique_ptr<DeviceMemory>> all_;
  std::vector<DeviceMemory*> free_;
};

/// Until nothing in the stream reads or writes any more. A wait that cannot begin is tried once more: memory that the
/// stream works on is about to get another owner.
abi::Code settle(const Stream& stream, abi::Error* error) noexcept;

/// Planes into host memory as `host` says; over when the call returns, after a failure too. kInvalidArgument unless both describe the same
/// picture.
abi::Code download_picture(const Stream& stream, const abi::Picture& device, const abi::Picture& host,
                           abi::Error* error) noexcept;

}  // namespace edgecore::tensorrt
