#include "model_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using module::fail;

constexpr char kRemedy[] = "make one on the box: trtexec --onnx=MODEL.onnx --saveEngine=MODEL.plan";

/// Part of a file; every read says whether it is inside.
class Bytes {
 public:
  Bytes(const unsigned char* data, std::uint64_t size) : data_(data), size_(size) {}

  std::uint64_t size() const { return size_; }
  bool holds(std::uint64_t offset, std::uint64_t count) const { return offset <= size_ && count <= size_ - offset; }
  Bytes part(std::uint64_t offset, std::uint64_t count) const { return {data_ + offset, count}; }
  bool says(std::uint64_t offset, const char* letters) const {
    const std::size_t count = std::strlen(letters);
    return holds(offset, count) && std::memcmp(data_ + offset, letters, count) == 0;
  }
  /// 0 outside: every caller has asked for the room before, or compares with something else.
  std::uint64_t number(std::uint64_t offset, unsigned width) const {
    std::uint64_t value = 0;
    for (unsigned i = 0; holds(offset, width) && i < width; ++i) value |= std::uint64_t{data_[offset + i]} << 8 * i;
    return value;
  }
  std::uint32_t u32(std::uint64_t offset) const { return static_cast<std::uint32_t>(number(offset, 4)); }
  std::uint64_t u64(std::uint64_t offset) const { return number(offset, 8); }
  bool zeros(std::uint64_t begin, std::uint64_t end) const {
    return begin <= end && end <= size_ && std::all_of(data_ + begin, data_ + end, [](unsigned char byte) { return byte == 0; });
  }

 private:
  const unsigned char* data_;
  std::uint64_t size_;
};

// Tags of records in an archive.
constexpr std::uint32_t kU8 = 0x00018002;
constexpr std::uint32_t kI32 = 0x00018007;
constexpr std::uint32_t kI64 = 0x00018009;
constexpr std::uint32_t kDeviceBegin = 0x00018012;
constexpr std::uint32_t kDeviceProperties = 0x00018010;

constexpr std::uint64_t kLongHeader = 24;   // of an archive, to version 239
constexpr std::uint64_t kShortHeader = 20;  // from 240 on
constexpr std::uint32_t kFirstShortVersion = 240;
constexpr int kLastSeen = 1015;  // the newest release whose inner layout was seen: later ones may differ

bool read_release(const Bytes& body, std::array<int, 4>& release) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    if (body.u32(5 * i) != kU8 || !body.holds(5 * i, 5)) return false;
    release[i] = static_cast<int>(body.number(5 * i + 4, 1));
  }
  return true;
}

/// 0 where the records are not those that were seen.
int read_capability(const Bytes& body, bool in_container, std::uint32_t version) {
  const std::uint64_t begin = in_container ? 32 : 20;  // after the release; a container's archive has one record more
  // First among the device's properties; in version 240, which says 9 there, after twelve others.
  const std::uint64_t number = begin + (version == kFirstShortVersion ? 116 : 8);
  const std::uint32_t first = version == kFirstShortVersion ? kI64 : kI32;
  const bool known = version <= kFirstShortVersion && body.u32(begin) == kDeviceBegin &&
                     body.u32(begin + 4) == kDeviceProperties && body.u32(begin + 8) == first &&
                     body.u32(number) == kI32 && body.u32(number + 8) == kI32;
  const std::uint32_t major = body.u32(number + 4);
  const std::uint32_t minor = body.u32(number + 12);
  return known && major < 100 && minor < 10 ? static_cast<int>(major * 10 + minor) : 0;
}

/// What begins with "ptrt" and fills `archive` to its end.
Code check_archive(const Bytes& archive, bool in_container, PlanFacts& facts, Error* error) {
  const auto broken = [&](const char* what) {
    return fail(error, Code::kCorrupt, "a damaged TensorRT plan: %s; %s", what, kRemedy);
  };
  if (!archive.says(0, "ptrt")) return broken("the engine in it does not begin with 'ptrt'");
  const std::uint32_t first = archive.u32(4);
  if (first != 0 && !in_container) {
    return fail(error, Code::kUnsupported, "a plan of TensorRT 7 or older (archive version %u), expected 8.0 or later; %s",
                first, kRemedy);
  }
  if (!archive.holds(0, kLongHeader)) return broken("it ends within the header");
  const bool is_long = first == 0;
  const std::uint64_t header = is_long ? kLongHeader : kShortHeader;
  const std::uint32_t version = is_long ? archive.u32(8) : first;
  const std::uint32_t reserved = is_long ? archive.u32(12) : archive.u32(16);
  const std::uint64_t rest = is_long ? archive.u64(16) : archive.u64(8);
  if (version == 0 || version > 0xFFFF || reserved != 0 || (version >= kFirstShortVersion) == is_long) {
    return broken("the header of the engine in it is not what TensorRT writes");
  }
  if (rest != archive.size() - header) {
    char text[96];
    std::snprintf(text, sizeof text, "the header promises %llu more bytes, there are %llu",
                  static_cast<unsigned long long>(rest), static_cast<unsigned long long>(archive.size() - header));
    return broken(text);
  }
  const Bytes body = archive.part(header, archive.size() - header);
  std::array<int, 4> release{};
  const bool says_release = read_release(body, release);
  if (in_container && (!says_release || release != facts.made_by)) {
    return broken("header and engine name different releases");
  }
  if (says_release && release[0] == 8) facts.made_by = release;
  facts.capability = read_capability(body, in_container, version);
  return Code::kOk;
}

Code check_container(const Bytes& file, PlanFacts& facts, Error* error) {
  constexpr std::uint64_t kTable = 32;
  constexpr std::uint64_t kEntry = 24;
  constexpr std::uint64_t kMostSections = 16;
  constexpr std::uint64_t kEnd = 4;
  const auto broken = [&](const char* what) {
    return fail(error, Code::kCorrupt, "a damaged TensorRT plan: %s; %s", what, kRemedy);
  };
  const auto aligned = [](std::uint64_t offset) { return (offset + 7) / 8 * 8; };

  const std::uint64_t count = file.u64(8);
  if (file.u32(4) != 0 || count == 0 || count > kMostSections) return broken("no table of sections");
  if (!file.holds(kTable, count * kEntry + kEnd)) return broken("it ends within the table of sections");
  if (file.u64(16) != file.size()) {
    return fail(error, Code::kCorrupt, "a damaged TensorRT plan: the header says %llu bytes, the file has %llu; %s",
                static_cast<unsigned long long>(file.u64(16)), static_cast<unsigned long long>(file.size()), kRemedy);
  }
  if (!file.says(file.size() - kEnd, "\x99\x8b\x8d\x8b")) return broken("the end mark is missing");
  for (unsigned i = 0; i < 4; ++i) facts.made_by[i] = static_cast<int>(file.number(24 + i, 1));
  facts.is_container = true;
  if (facts.release() < 806 || facts.made_by[0] > 99) return broken("no release has that number and this layout");

  std::uint64_t end = kTable + count * kEntry;
  bool plain = true;  // nothing but engine and weights: a version-compatible plan brings more, of a layout not seen
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t entry = kTable + i * kEntry;
    const std::uint64_t offset = file.u64(entry + 8);
    const std::uint64_t size = file.u64(entry + 16);
    if (file.u32(entry + 4) != 0 || offset != aligned(end) || !file.zeros(end, std::min(offset, file.size())) ||
        !file.holds(offset, size)) {
      return broken("a section lies elsewhere than the table says");
    }
    if ((i == 0) != file.says(entry, "NGNE")) return broken("the first section is not the engine");
    plain = plain && (i == 0 || file.says(entry, "THGW"));
    end = offset + size;
  }
  if (aligned(end) + kEnd != file.size() || !file.zeros(end, file.size() - kEnd)) return broken("bytes after the last section");
  if (!plain || facts.release() > kLastSeen) return Code::kOk;
  return check_archive(file.part(file.u64(kTable + 8), file.u64(kTable + 16)), true, facts, error);
}

/// A file that people take for a plan, and what to do with it; null if it is none of those.
Code refuse(const Bytes& file, Error* error) {
  if (file.says(0, "version https://git-lfs")) {
    return fail(error, Code::kCorrupt, "a Git LFS pointer, not the model itself; fetch it: git lfs pull");
  }
  if (file.says(0, "vtrt")) {
    return fail(error, Code::kUnsupported, "an engine of TensorRT for RTX, which is another library; %s", kRemedy);
  }
  const std::uint64_t description = file.u32(0);
  if (file.says(4, "{") && (file.says(4 + description, "ftrt") || file.says(4 + description, "ptrt"))) {
    return fail(error, Code::kCorrupt,
                "a plan behind a description of %llu bytes, as Ultralytics writes it; cut that off: tail -c +%llu",
                static_cast<unsigned long long>(description), static_cast<unsigned long long>(description + 5));
  }
  return fail(error, Code::kCorrupt, "not a TensorRT plan: %llu bytes, expected 'ftrt' or 'ptrt' at their begin; %s",
              static_cast<unsigned long long>(file.size()), kRemedy);
}

}  // namespace

std::string describe(const PlanFacts& facts) {
  const auto& made_by = facts.made_by;
  std::string text = "TensorRT ";
  for (const int number : made_by) text += std::to_string(number) + ".";
  text.pop_back();
  if (made_by[0] == 0) text = "an unknown TensorRT";
  if (facts.capability == 0) return text;
  return text + " for compute capability " + std::to_string(facts.capability / 10) + "." +
         std::to_string(facts.capability % 10);
}

void ModelFile::Free::operator()(unsigned char* bytes) const noexcept { std::free(bytes); }

Code ModelFile::read(const char* path, Error* error) noexcept {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const Code code = errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kInvalidArgument;
    return fail(error, code, "%s: %s", path, std::strerror(errno));
  }
  struct stat facts {};
  const bool is_regular = ::fstat(file, &facts) == 0 && S_ISREG(facts.st_mode);
  const auto size = is_regular ? static_cast<std::size_t>(facts.st_size) : 0;
  bytes_.reset(static_cast<unsigned char*>(std::malloc(size + 1)));
  size_bytes_ = 0;
  while (bytes_ != nullptr && size_bytes_ < size) {
    const ssize_t count = ::read(file, bytes_.get() + size_bytes_, size - size_bytes_);
    if (count <= 0) break;
    size_bytes_ += static_cast<std::size_t>(count);
  }
  ::close(file);
  if (!is_regular) return fail(error, Code::kInvalidArgument, "%s: not a regular file", path);
  if (bytes_ == nullptr) return fail(error, Code::kUnsupported, "%s: %zu bytes, for which there is no memory", path, size);
  if (size_bytes_ == size) return Code::kOk;
  return fail(error, Code::kInternal, "%s: %zu of %zu bytes could be read", path, size_bytes_, size);
}

Code check_plan(const ModelFile& file, PlanFacts& facts, Error* error) noexcept {
  const Bytes bytes(file.data(), file.size_bytes());
  facts = {};
  if (bytes.says(0, "ftrt")) return check_container(bytes, facts, error);
  if (bytes.says(0, "ptrt")) return check_archive(bytes, false, facts, error);
  return refuse(bytes, error);
}

Code check_fit(const PlanFacts& facts, int release, int capability, Error* error) noexcept {
  const bool is_known = facts.made_by[0] != 0;
  const bool is_newer = is_known && facts.release() > release;
  const bool is_bound = !facts.is_container && (is_known ? facts.release() != release : release >= 806);
  if (is_newer || is_bound) {
    return fail(error, Code::kUnsupported, "made by %s, which TensorRT %d.%d does not run; %s", describe(facts).c_str(),
                release / 100, release % 100, kRemedy);
  }
  if (capability == 0 || facts.capability == 0 || capability == facts.capability) return Code::kOk;
  constexpr int kAmpere = 80;
  if (facts.is_container && std::min(capability, facts.capability) >= kAmpere) return Code::kOk;
  return fail(error, Code::kUnsupported, "made by %s, this GPU has %d.%d; %s", describe(facts).c_str(), capability / 10,
              capability % 10, kRemedy);
}

}  // namespace edgecore::tensorrt
