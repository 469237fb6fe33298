// What can be known of a TensorRT plan without TensorRT.
//
// NVIDIA documents no layout. What follows was read off ten plans that others had published, of 7.2, 8.2.1.8, 8.6.1.6,
// 10.0.1.6, 10.3.0.26 and 10.15.1.29, and agrees with what NVIDIA's people say of it: the release is in bytes 24 to 27
// (github.com/NVIDIA/TensorRT issue 3073), the archive's version from byte 8 on (same issue: 205 is 8.2, 213 is 8.4,
// 232 is 8.5). Little-endian throughout.
//
//   archive, 8.0 to 8.5 alone, later the first section of a container:
//     "ptrt", u32 0, u32 version of the archive, u32 0, u64 bytes that follow the header (to the file's or section's end)
//     from archive version 240 on (seen: 10.15) "ptrt", u32 version, u64 bytes that follow, u32 0
//     then records of a 4-byte tag and a value: the release in four of u8 (02 80 01 00), and among the device's
//     properties soon after it the compute capability in two of u32 (07 80 01 00). Checked with NVIDIA's lean runtime
//     10.15.1 on an H100: it refuses such a plan naming the number read here, and goes on when 9 and 0 are written there.
//   container, 8.6 and later:
//     "ftrt", u32 0, u64 number of sections, u64 bytes of the file, u8[4] release, u32
//     per section: 4 letters ("NGNE", "THGW"), u32 0, u64 offset, u64 bytes; the sections, each at a multiple of 8;
//     filled up with zeros to a multiple of 8, and the complement of "ftrt"
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "edgecore/abi.h"

namespace edgecore::tensorrt {

/// What a plan says of itself.
struct PlanFacts {
  std::array<int, 4> made_by{};  // release: 8.6.1.6; zeros: not known
  int capability = 0;            // of the GPU: 87 is 8.7; 0: not known
  bool is_container = false;     // of 8.6 or later: may be meant for other releases and GPUs
  int release() const noexcept { return made_by[0] * 100 + made_by[1]; }  // 8.6 is 806
};
std::string describe(const PlanFacts& facts);  // "TensorRT 8.6.1.6 for compute capability 7.5"

/// A whole file in memory, read once: what was judged is what the library gets.
class ModelFile {
 public:
  /// kNotFound, kUnsupported for what is no regular file.
  abi::Code read(const char* path, abi::Error* error) noexcept;
  const unsigned char* data() const noexcept { return bytes_.get(); }
  std::size_t size_bytes() const noexcept { return size_bytes_; }

 private:
  struct Free {
    void operator()(unsigned char* bytes) const noexcept;
  };
  std::unique_ptr<unsigned char, Free> bytes_;
  std::size_t size_bytes_ = 0;
};

/// kCorrupt for what is no whole plan, kUnsupported for one of TensorRT 7 or older. Never reads outside the file.
abi::Code check_plan(const ModelFile& file, PlanFacts& facts, abi::Error* error) noexcept;

/// kUnsupported for a plan that library `release` (806 is 8.6) or a GPU (87 is 8.7; 0: any) cannot take by what NVIDIA
/// promises: nothing runs a plan of a later release; one of before 8.6 runs on its own minor release and compute
/// capability alone; hardware compatibility begins with 8.0.
abi::Code check_fit(const PlanFacts& facts, int release, int capability, abi::Error* error) noexcept;

}  // namespace edgecore::tensorrt
