// Protocol buffers' wire format, read in place out of a file of any size.
// Source: https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgecore::cpu {

/// Groups (3 and 4) are not here: ONNX has none.
enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Bytes [begin, end) of the file.
struct Span {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t size() const noexcept { return end - begin; }
};

struct WireField {
  std::uint32_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;  // of a varint
  Span payload;             // of bytes
};

class WireReader {
 public:
  WireReader() = default;
  WireReader(const WireReader&) = delete;
  WireReader& operator=(const WireReader&) = delete;
  ~WireReader();

  /// 0, or errno. A folder is EISDIR.
  int open(const char* path) noexcept;
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }

  /// Reads the field at span.begin, and moves that behind it. nullptr, or what is wrong with it.
  const char* next(Span& span, WireField& field) noexcept;
  const char* varint(Span& span, std::uint64_t& value) noexcept;

  /// At most `most` bytes of it, and fewer only at the file's end.
  std::size_t copy(const Span& span, char* text, std::size_t most) noexcept;

 private:
  bool byte(std::uint64_t at, std::uint8_t& value) noexcept;

  int file_ = -1;
  std::uint64_t size_bytes_ = 0;
  std::vector<std::uint8_t> window_;
  std::uint64_t window_begin_ = 0;
  std::size_t window_size_ = 0;
};

}  // namespace edgecore::cpu
