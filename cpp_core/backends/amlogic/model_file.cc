#include "model_file.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <sys/stat.h>

#include "crc32.h"
#include "edgecore/module.h"

namespace edgecore::amlogic {
namespace {

using abi::Code;
using module::fail;

// The layout. Sources: VeriSilicon/TIM-VX, include/tim/utils/nbg_parser/gc_vip_nbg_format.h and nbg_parser.c (what is
// there since which version); the rest was found on files: 1.15 (yolov8n_uint8.nb of khadas/ksnn), 1.30
// (conv2d_relu_maxpool2d_fp32.nbg of TIM-VX) and 1.32 (what acuitylite 6.33.0 makes, which prints its table of
// sections).
constexpr char kMagic[] = {'V', 'P', 'M', 'N'};
constexpr std::uint32_t kOldest = 0x00010008;  // before it the sections' table lies elsewhere
constexpr std::uint32_t kNewest = 0x00010020;  // of acuitylite 6.33.0; its loader refuses later ones, too
constexpr std::uint32_t kSixDimensions = 0x0001000B;
constexpr std::uint32_t kWithChecksum = 0x0001001E;  // the oldest seen with one; 1.15 has zero there
constexpr std::size_t kTargetAt = 8;
constexpr std::size_t kCountsAt = 76;  // layers, operations, inputs, outputs
constexpr std::size_t kChecksumAt = 0x6C;
constexpr std::size_t kSectionsAt = 0x178;  // {offset, size}: inputs, outputs, layers, operations, then others
constexpr std::size_t kMinSections = 12;
constexpr std::size_t kMaxSections = 64;  // 17, 27 and 34 have been seen
constexpr std::size_t kNameBytes = 64;
constexpr std::size_t kLayerBytes = 76;
constexpr std::size_t kMinOperationBytes = 24;
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 30U;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 26U;  // 256 MiB of float32, the core's limit for a tensor
constexpr std::uint32_t kPidA311D = 0x88;

struct Section {
  std::uint32_t offset;
  std::uint32_t size_bytes;
};

/// Reads what has been found to be within the file.
class Bytes {
 public:
  explicit Bytes(const std::vector<char>& bytes) : bytes_(bytes) {}
  std::size_t size() const { return bytes_.size(); }
  const char* at(std::size_t offset) const { return bytes_.data() + offset; }

  template <typename T>
  T read(std::size_t offset) const {
    T value;
    std::memcpy(&value, at(offset), sizeof value);  // little endian, as every host of ours is
    return value;
  }
  std::uint32_t u32(std::size_t offset) const { return read<std::uint32_t>(offset); }
  Section section(std::size_t index) const { return {u32(kSectionsAt + index * 8), u32(kSectionsAt + index * 8 + 4)}; }

 private:
  const std::vector<char>& bytes_;
};

Code read_file(const char* path, std::vector<char>& bytes, abi::Error* error) {
  struct stat facts{};
  if (stat(path, &facts) != 0) return fail(error, Code::kNotFound, "cannot be read: %s", std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) return fail(error, Code::kInvalidArgument, "is no regular file");
  const auto size = static_cast<std::size_t>(facts.st_size);
  if (size > kMaxFileBytes)
    return fail(error, Code::kUnsupported, "is %zu bytes long, at most 1 GiB is supported", size);
  try {
    bytes.resize(size);
  } catch (const std::bad_alloc&) {  // a module lets no exception out, and a file of holes claims any size
    return fail(error, Code::kUnsupported, "is %zu bytes long, for which there is no memory", size);
  }
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!file) return fail(error, Code::kNotFound, "cannot be read: %s", std::strerror(errno));
  return Code::kOk;
}

Code check_beginning(const Bytes& bytes, abi::Error* error) {
  const std::size_t smallest = kSectionsAt + kMinSections * 8;
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.at(0), kMagic, sizeof kMagic) != 0) {
    return fail(error, Code::kCorrupt,
                "is no NBG: it does not begin with VPMN; name the .nb file that the converter wrote");
  }
  if (bytes.size() < smallest) {
    return fail(error, Code::kCorrupt, "breaks off in the NBG header: %zu bytes of at least %zu; copy it again",
                bytes.size(), smallest);
  }
  const std::uint32_t version = bytes.u32(4);
  if (version < kOldest || version > kNewest) {
    return fail(error, Code::kUnsupported,
                "NBG version 0x%08X, known are 0x%08X to 0x%08X; convert it with another release", version, kOldest,
                kNewest);
  }
  return Code::kOk;
}

/// Every section lies behind the table and within the file.
Code check_sections(const Bytes& bytes, abi::Error* error) {
  const std::size_t end = bytes.section(0).offset;  // the inputs come first, right behind the table
  const std::size_t count = (end - kSectionsAt) / 8;
  if (end < kSectionsAt || (end - kSectionsAt) % 8 != 0 || count < kMinSections || count > kMaxSections) {
    return fail(error, Code::kCorrupt,
                "NBG header: the table of inputs cannot be at byte %zu; copy or convert it again", end);
  }
  if (end > bytes.size()) {
    return fail(error, Code::kCorrupt, "breaks off in the NBG header: %zu bytes of %zu; copy it again", bytes.size(),
                end);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Section section = bytes.section(i);
    const std::uint64_t last = std::uint64_t{section.offset} + section.size_bytes;
    if (last > bytes.size()) {
      return fail(error, Code::kCorrupt, "section %zu of the NBG ends at byte %llu, the file at %zu; copy it again", i,
                  static_cast<unsigned long long>(last), bytes.size());
    }
    if (section.size_bytes > 0 && section.offset < end) {
      return fail(error, Code::kCorrupt, "section %zu of the NBG begins at byte %u, within the header of %zu bytes", i,
                  section.offset, end);
    }
  }
  return Code::kOk;
}

std::size_t port_bytes(std::uint32_t version) {
  const std::size_t dimensions = version < kSixDimensions ? 4 : 6;
  return 4 + dimensions * 4 + 6 * 4 + kNameBytes;
}

/// The counts of the header and the sizes of the tables say the same.
Code check_counts(const Bytes& bytes, abi::Error* error) {
  struct Table {
    const char* what;
    std::size_t section;
    std::uint32_t count;
    std::size_t entry_bytes;
  };
  const std::uint32_t layers = bytes.u32(kCountsAt);
  const std::uint32_t operations = bytes.u32(kCountsAt + 4);
  const std::uint32_t inputs = bytes.u32(kCountsAt + 8);
  const std::uint32_t outputs = bytes.u32(kCountsAt + 12);
  const std::size_t port = port_bytes(bytes.u32(4));
  for (const Table& table : {Table{"inputs", 0, inputs, port}, Table{"outputs", 1, outputs, port},
                             Table{"layers", 2, layers, kLayerBytes}}) {
    const std::uint32_t size = bytes.section(table.section).size_bytes;
    if (size != std::uint64_t{table.count} * table.entry_bytes || table.count == 0) {
      return fail(error, Code::kCorrupt, "NBG header: %u %s, but their table has %u bytes, %zu each", table.count,
                  table.what, size, table.entry_bytes);
    }
  }
  const std::uint32_t size = bytes.section(3).size_bytes;
  if (operations == 0 || size % operations != 0 || size / operations < kMinOperationBytes) {
    return fail(error, Code::kCorrupt, "NBG header: %u operations, but their table has %u bytes", operations, size);
  }
  return Code::kOk;
}

Code check_checksum(const Bytes& bytes, abi::Error* error) {
  const std::uint32_t expected = bytes.u32(kChecksumAt);
  if (bytes.u32(4) < kWithChecksum || expected == 0) return Code::kOk;  // there is none
  Crc32 crc;
  const char zeros[4] = {};
  crc.add(bytes.at(0), kChecksumAt);
  crc.add(zeros, sizeof zeros);
  crc.add(bytes.at(kChecksumAt + 4), bytes.size() - kChecksumAt - 4);
  if (crc.value() == expected) return Code::kOk;
  return fail(error, Code::kCorrupt, "NBG checksum 0x%08X, its bytes have 0x%08X: it was damaged; copy it again",
              expected, crc.value());
}

Code read_element(std::uint32_t format, std::uint32_t quant, const Bytes& bytes, std::size_t at, Port& port,
                  abi::Error* error) {
  struct Format {
    std::uint32_t number;
    vx::Type type;
  };
  constexpr Format kFormats[] = {{0, vx::kFloat32}, {1, vx::kFloat16}, {2, vx::kUInt8},
                                 {3, vx::kInt8},    {5, vx::kInt16},   {8, vx::kInt32}};
  const auto* found =
      std::find_if(std::begin(kFormats), std::end(kFormats), [&](Format each) { return each.number == format; });
  if (found == std::end(kFormats) || quant > vx::kQuantAffine) {
    return fail(error, Code::kUnsupported, "'%s' has NBG type %u with quantization %u, which is not supported here",
                port.name.c_str(), format, quant);
  }
  Element& element = port.element;
  element.type = found->type;
  element.quant = static_cast<vx::QuantFormat>(quant);
  if (quant == vx::kQuantFixedPoint) {
    const auto position = bytes.read<std::int32_t>(at);
    if (position < -31 || position > 31) {
      return fail(error, Code::kCorrupt, "'%s' has its binary point at %d", port.name.c_str(), position);
    }
    element.position = static_cast<std::int8_t>(position);
    element.scale = std::ldexp(1.0F, -position);
  } else if (quant == vx::kQuantAffine) {
    element.scale = bytes.read<float>(at + 4);
    element.zero_point = bytes.read<std::int32_t>(at + 8);
    if (!(element.scale > 0.0F) || !std::isfinite(element.scale) ||
        std::abs(std::int64_t{element.zero_point}) > 0xFFFF) {
      return fail(error, Code::kCorrupt, "'%s' has scale %g and zero point %d", port.name.c_str(),
                  static_cast<double>(element.scale), element.zero_point);
    }
  }
  return Code::kOk;
}

/// at: of its entry. Sizes are stored innermost first.
Code read_port(const Bytes& bytes, std::size_t at, std::uint32_t version, Port& port, abi::Error* error) {
  const std::size_t dimensions = version < kSixDimensions ? 4 : 6;
  const std::size_t facts = at + 4 + dimensions * 4;  // format, kind, quantization, position, scale, zero point, name
  const char* name = bytes.at(facts + 6 * 4);
  const std::size_t length = strnlen(name, kNameBytes);
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (length == kNameBytes || std::any_of(name, name + length, is_odd)) {
    return fail(error, Code::kCorrupt, "NBG: the entry at byte %zu has no readable name", at);
  }
  port.name.assign(name, length);

  const std::uint32_t rank = bytes.u32(at);
  std::int64_t count = 1;
  for (std::size_t i = 0; i < rank && rank <= dimensions; ++i) {
    const std::uint32_t size = bytes.u32(at + 4 + i * 4);
    count = size == 0 || size > kMaxElements / count ? 0 : count * size;
    if (count == 0) break;
    port.shape.insert(port.shape.begin(), size);
  }
  if (rank == 0 || rank > dimensions || count == 0) {
    return fail(error, Code::kCorrupt, "'%s' has %u dimensions of an impossible size", port.name.c_str(), rank);
  }
  if (const std::uint32_t kind = bytes.u32(facts + 4); kind != 0) {
    return fail(error, Code::kUnsupported, "'%s' is no tensor (NBG kind %u)", port.name.c_str(), kind);
  }
  return read_element(bytes.u32(facts), bytes.u32(facts + 8), bytes, facts + 12, port, error);
}

Code read_ports(const Bytes& bytes, std::size_t section, std::vector<Port>& ports, abi::Error* error) {
  const std::uint32_t version = bytes.u32(4);
  const auto [offset, size_bytes] = bytes.section(section);
  for (std::size_t at = offset; at < std::size_t{offset} + size_bytes; at += port_bytes(version)) {
    if (Code code = read_port(bytes, at, version, ports.emplace_back(), error); code != Code::kOk) return code;
  }
  return Code::kOk;
}

}  // namespace

std::size_t Port::count() const noexcept {
  std::size_t product = 1;
  for (const std::int64_t size : shape) product *= static_cast<std::size_t>(size);
  return product;
}

Code read_model(const char* path, Model& model, abi::Error* error) {
  if (Code code = read_file(path, model.bytes, error); code != Code::kOk) return code;
  const Bytes bytes(model.bytes);
  for (const auto check : {check_beginning, check_sections, check_counts, check_checksum}) {
    if (Code code = check(bytes, error); code != Code::kOk) return code;
  }
  model.version = bytes.u32(4);
  model.target_pid = bytes.u32(kTargetAt);
  if (Code code = read_ports(bytes, 0, model.inputs, error); code != Code::kOk) return code;
  return read_ports(bytes, 1, model.outputs, error);
}

Code check_target(const Model& model, std::uint32_t device_pid, abi::Error* error) {
  const std::uint32_t wanted = device_pid != 0 ? device_pid : kPidA311D;
  if (model.target_pid == wanted) return Code::kOk;
  return fail(error, Code::kUnsupported, "was compiled for NPU PID 0x%X, %s is 0x%X%s; convert it for that one",
              model.target_pid, device_pid != 0 ? "this device" : "an A311D", wanted,
              wanted == kPidA311D ? " (VIPNANOQI_PID0X88)" : "");
}

}  // namespace edgecore::amlogic
