// SHA-256, for the one question whether a file is the one that somebody has vouched for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "edgecore/status.h"

namespace edgecore {

/// Source: FIPS 180-4, sections 5 and 6.2.
class Sha256 {
 public:
  void update(const void* data, std::size_t size_bytes) noexcept;
  /// 64 hex digits. Call once.
  std::string finish();

 private:
  static constexpr std::size_t kBlockBytes = 64;
  void add_block(const std::uint8_t* block) noexcept;

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, kBlockBytes> rest_{};  // of a block that is not full yet
  std::size_t rest_bytes_ = 0;
  std::uint64_t size_bytes_ = 0;
};

/// Of a file's bytes, 64 hex digits. kNotFound for a file that cannot be read to its end.
Result<std::string> sha256_of(const std::filesystem::path& file);

}  // namespace edgecore
