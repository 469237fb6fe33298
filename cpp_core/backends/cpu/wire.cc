#include "wire.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace edgecore::cpu {
namespace {

constexpr std::size_t kWindowBytes = std::size_t{1} << 16U;

}  // namespace

WireReader::~WireReader() {
  if (file_ >= 0) close(file_);
}

int WireReader::open(const char* path) noexcept {
  file_ = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (file_ < 0 || fstat(file_, &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  size_bytes_ = static_cast<std::uint64_t>(info.st_size);
  window_.resize(kWindowBytes);
  return 0;
}

bool WireReader::byte(std::uint64_t at, std::uint8_t& value) noexcept {
  if (at < window_begin_ || at - window_begin_ >= window_size_) {
    const ssize_t count = pread(file_, window_.data(), window_.size(), static_cast<off_t>(at));
    window_begin_ = at;
    window_size_ = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    if (window_size_ == 0) return false;
  }
  value = window_[static_cast<std::size_t>(at - window_begin_)];
  return true;
}

const char* WireReader::varint(Span& span, std::uint64_t& value) noexcept {
  constexpr unsigned kMostBytes = 10;
  value = 0;
  for (unsigned count = 0; count < kMostBytes; ++count) {
    std::uint8_t group = 0;
    if (span.begin == span.end) return "a number breaks off";
    if (!byte(span.begin, group)) return "cannot be read";
    ++span.begin;
    value |= static_cast<std::uint64_t>(group & 0x7FU) << (7 * count);
    if (group < 0x80) return nullptr;
  }
  return "a number has more than ten bytes";
}

const char* WireReader::next(Span& span, WireField& field) noexcept {
  std::uint64_t key = 0;
  if (const char* problem = varint(span, key)) return problem;
  if (key >> 3U == 0 || key >> 3U > 0x1FFFFFFF) return "a field's number is none";
  field.number = static_cast<std::uint32_t>(key >> 3U);
  field.wire = static_cast<Wire>(key & 7U);
  std::uint64_t length = 0;
  switch (field.wire) {
    case Wire::kVarint: return varint(span, field.value);
    case Wire::kFixed64: length = 8; break;
    case Wire::kFixed32: length = 4; break;
    case Wire::kBytes:
      if (const char* problem = varint(span, length)) return problem;
      break;
    default: return "a field's type is none";
  }
  if (length > span.size()) return "a field reaches beyond the end of what it is in";
  field.payload = {span.begin, span.begin + length};
  span.begin += length;
  return nullptr;
}

std::size_t WireReader::copy(const Span& span, char* text, std::size_t most) noexcept {
  std::size_t count = 0;
  for (std::uint8_t value = 0; count < most && span.begin + count < span.end && byte(span.begin + count, value);) {
    text[count++] = static_cast<char>(value);
  }
  return count;
}

}  // namespace edgecore::cpu
