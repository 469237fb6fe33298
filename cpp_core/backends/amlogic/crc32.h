// The checksum of Ethernet and zlib: reflected, polynomial 0xEDB88320.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace edgecore::amlogic {

constexpr std::array<std::uint32_t, 256> make_crc32_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t row = i;
    for (int bit = 0; bit < 8; ++bit) row = (row & 1U) != 0 ? 0xEDB88320U ^ (row >> 1U) : row >> 1U;
    table[i] = row;
  }
  return table;
}
inline constexpr std::array<std::uint32_t, 256> kCrc32Table = make_crc32_table();

class Crc32 {
 public:
  void add(const char* bytes, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      state_ = kCrc32Table[(state_ ^ static_cast<std::uint8_t>(bytes[i])) & 0xFFU] ^ (state_ >> 8U);
    }
  }
  std::uint32_t value() const noexcept { return ~state_; }

 private:
  std::uint32_t state_ = 0xFFFFFFFFU;
};

}  // namespace edgecore::amlogic
