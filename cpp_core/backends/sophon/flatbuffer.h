// Reads a FlatBuffer whose schema is known and whose bytes are not trusted.
//
// Format: "FlatBuffers internals" of flatbuffers.dev. A table starts with the signed distance to its vtable; the
// vtable holds its own size, the table's, and for each field the distance from the table's start, 0 for absent.
// Strings, vectors and tables are referred to by unsigned distances from the referring field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace edgecore::sophon::flatbuffer {

/// Scalars and Binary have a size in bytes; Scalars and Binaries are vectors of them.
enum class Kind : std::uint8_t { kScalar, kBinary, kString, kTable, kScalars, kBinaries, kTables };

struct Table;

struct Field {
  const char* name;
  Kind kind;
  std::uint8_t size = 0;         // of a scalar, or of each one in a vector
  const Table* table = nullptr;  // of kTable and kTables
  bool is_required = false;
};

/// Fields by id. A file may have fewer (older) and more (newer, ignored).
struct Table {
  const Field* fields;
  std::size_t count;
};

/// struct Binary of the schema: a range of the file's second part.
struct Range {
  std::uint64_t start = 0;
  std::uint64_t size = 0;
};

/// Walks everything that `root` reaches, so that the accessors below stay inside. `binary_bytes`: the size of the part
/// that Ranges point into. Returns "" or what is wrong where: "net[0].parameter[0].coeff_mem.binary_coeff: ends at 812,
/// but ...".
std::string verify(std::string_view bytes, const Table& root, std::uint64_t binary_bytes);

/// A verified table. A default-constructed one has no fields.
class View {
 public:
  View() = default;
  static View root(std::string_view bytes) noexcept { return {bytes, load<std::uint32_t>(bytes, 0)}; }

  explicit operator bool() const noexcept { return !bytes_.empty(); }
  bool has(std::size_t id) const noexcept { return field(id) != 0; }

  template <typename T>
  T scalar(std::size_t id, T otherwise = {}) const noexcept {
    const std::size_t at = field(id);
    return at == 0 ? otherwise : load<T>(bytes_, at);
  }
  Range range(std::size_t id) const noexcept {
    const std::size_t at = field(id);
    return at == 0 ? Range{} : Range{load<std::uint64_t>(bytes_, at), load<std::uint64_t>(bytes_, at + 8)};
  }
  std::string_view text(std::size_t id) const noexcept {  // of strings and of vectors of bytes
    const std::size_t at = target(id);
    return at == 0 ? std::string_view() : bytes_.substr(at + 4, load<std::uint32_t>(bytes_, at));
  }
  View table(std::size_t id) const noexcept {
    const std::size_t at = target(id);
    return at == 0 ? View() : View(bytes_, at);
  }
  std::size_t count(std::size_t id) const noexcept {  // of any vector
    const std::size_t at = target(id);
    return at == 0 ? 0 : load<std::uint32_t>(bytes_, at);
  }
  View table(std::size_t id, std::size_t index) const noexcept {
    const std::size_t at = target(id) + 4 + 4 * index;
    return {bytes_, at + load<std::uint32_t>(bytes_, at)};
  }
  template <typename T>
  T scalar_at(std::size_t id, std::size_t index) const noexcept {
    return load<T>(bytes_, target(id) + 4 + sizeof(T) * index);
  }

 private:
  View(std::string_view bytes, std::size_t position) noexcept : bytes_(bytes), position_(position) {}

  /// Little endian, as are all machines that this is built for.
  template <typename T>
  static T load(std::string_view bytes, std::size_t at) noexcept {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }
  std::size_t field(std::size_t id) const noexcept {
    if (bytes_.empty()) return 0;
    const auto distance = load<std::int32_t>(bytes_, position_);
    const auto vtable = static_cast<std::size_t>(static_cast<std::int64_t>(position_) - distance);
    if (4 + 2 * id + 2 > load<std::uint16_t>(bytes_, vtable)) return 0;
    const auto offset = load<std::uint16_t>(bytes_, vtable + 4 + 2 * id);
    return offset == 0 ? 0 : position_ + offset;
  }
  std::size_t target(std::size_t id) const noexcept {
    const std::size_t at = field(id);
    return at == 0 ? 0 : at + load<std::uint32_t>(bytes_, at);
  }

  std::string_view bytes_;
  std::size_t position_ = 0;
};

}  // namespace edgecore::sophon::flatbuffer
