// How the stand-ins of a Jetson's libraries know a picture's memory by its descriptor, each in its own library: the facts
// follow the samples in the memfd that stands in for a dma-buf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace stand_in {

struct SurfaceFile {
  char magic[8] = {'s', 'u', 'r', 'f', 'a', 'c', 'e', '\0'};
  std::uint32_t width_px = 0, height_px = 0;
  std::int32_t color_format = 0;  // NvBufSurfaceColorFormat
  std::int32_t is_block_linear = 0;
  std::uint32_t plane_count = 0;
  std::uint32_t row_bytes[4] = {};
  std::uint32_t rows[4] = {};
  std::uint32_t pitch_bytes[4] = {};
  std::uint32_t offset_bytes[4] = {};
  std::uint32_t size_bytes[4] = {};
  std::uint32_t data_bytes = 0;
};

/// Memory that stands in for a dma-buf. By number: the library's own name for the call is newer than what we link for.
inline int make_memory_fd() { return static_cast<int>(syscall(SYS_memfd_create, "stand-in-dma-buf", 1U)); }

/// False: the descriptor is of something else.
inline bool read_surface_file(int fd, SurfaceFile& facts) {
  struct stat file {};
  if (fstat(fd, &file) != 0 || file.st_size < static_cast<off_t>(sizeof facts)) return false;
  if (pread(fd, &facts, sizeof facts, file.st_size - static_cast<off_t>(sizeof facts)) != sizeof facts) return false;
  return std::memcmp(facts.magic, SurfaceFile{}.magic, sizeof facts.magic) == 0;
}

/// Where a byte of a plane lies: in blocks of 64 bytes by 8 rows if it is block linear. Not how the chip does it, but
/// nothing that takes it for rows can be right.
inline std::size_t surface_offset(const SurfaceFile& facts, std::uint32_t plane, std::size_t x, std::size_t y) {
  const std::size_t pitch = facts.pitch_bytes[plane];
  if (facts.is_block_linear == 0) return facts.offset_bytes[plane] + y * pitch + x;
  const std::size_t block = (y / 8) * (pitch / 64) + x / 64;
  return facts.offset_bytes[plane] + block * 512 + (y % 8) * 64 + x % 64;
}

/// Pitch and offsets of planes whose bytes and rows are set.
inline void place_planes(SurfaceFile& facts) {
  std::uint32_t offset = 0;
  for (std::uint32_t plane = 0; plane < facts.plane_count; ++plane) {
    facts.pitch_bytes[plane] = (facts.row_bytes[plane] + 255) / 256 * 256;
    facts.offset_bytes[plane] = offset;
    facts.size_bytes[plane] = facts.pitch_bytes[plane] * ((facts.rows[plane] + 7) / 8 * 8);
    offset += facts.size_bytes[plane];
  }
  facts.data_bytes = offset;
}

}  // namespace stand_in
