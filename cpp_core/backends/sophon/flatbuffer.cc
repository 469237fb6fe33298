#include "flatbuffer.h"

#include <optional>

namespace edgecore::sophon::flatbuffer {
namespace {

// Vectors may share their elements, so that a small file can describe a walk without end. Real models have thousands.
constexpr std::size_t kMaxParts = 1'000'000;
constexpr std::uint32_t kMaxTextBytes = 4096;  // of names, each of which a vector may have a million times

/// The way from the root to a field, on the walk's own stack: text is made of it only when something is wrong.
struct Step {
  const Step* before;
  const char* field;
  std::int64_t index;  // -1: not in a vector
};

std::string path_to(const Step* step) {
  if (step == nullptr) return {};
  std::string path = path_to(step->before);
  if (!path.empty()) path += ".";
  path += step->field;
  if (step->index >= 0) path += "[" + std::to_string(step->index) + "]";
  return path;
}

class Walk {
 public:
  Walk(std::string_view bytes, std::uint64_t binary_bytes) : bytes_(bytes), binary_bytes_(binary_bytes) {}

  bool table(std::uint64_t at, const Table& table, const Step* step);
  std::string problem() && { return std::move(problem_); }

 private:
  bool refuse(const Step* step, const std::string& what) {
    const std::string path = path_to(step);
    problem_ = (path.empty() ? "root" : path) + ": " + what;
    return false;
  }
  bool inside(std::uint64_t at, std::uint64_t size) const { return at <= bytes_.size() && size <= bytes_.size() - at; }

  template <typename T>
  T load(std::uint64_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }

  bool field(std::uint64_t at, const Field& field, const Step* step);
  bool elements(std::uint64_t at, const Field& field, const Step* step);
  bool range(std::uint64_t at, const Step* step);
  std::optional<std::uint64_t> follow(std::uint64_t at, const Step* step);
  std::optional<std::uint32_t> vector(std::uint64_t at, std::uint64_t element_bytes, const Step* step);

  std::string_view bytes_;
  std::uint64_t binary_bytes_;
  std::size_t parts_ = 0;  // tables and ranges
  std::string problem_;
};

/// Bytes that a field takes inside its table.
std::uint64_t inline_size(const Field& field) {
  switch (field.kind) {
    case Kind::kScalar: return field.size;
    case Kind::kBinary: return sizeof(Range);
    default: return sizeof(std::uint32_t);
  }
}

std::uint64_t alignment(const Field& field) { return field.kind == Kind::kBinary ? 8 : inline_size(field); }

bool Walk::table(std::uint64_t at, const Table& table, const Step* step) {
  if (++parts_ > kMaxParts) return refuse(step, "more than a million tables and ranges");
  if (!inside(at, 4) || at % 4 != 0) return refuse(step, "the table is not where it is said to be");
  const auto vtable = static_cast<std::int64_t>(at) - load<std::int32_t>(at);
  const auto vtable_at = static_cast<std::uint64_t>(vtable);
  if (vtable < 0 || vtable % 2 != 0 || !inside(vtable_at, 4)) return refuse(step, "its list of fields is outside");
  const std::uint64_t vtable_size = load<std::uint16_t>(vtable_at);
  const std::uint64_t size = load<std::uint16_t>(vtable_at + 2);
  if (vtable_size < 4 || vtable_size % 2 != 0 || !inside(vtable_at, vtable_size)) {
    return refuse(step, "its list of fields has an impossible size");
  }
  if (size < 4 || !inside(at, size)) return refuse(step, "the table runs past the end");

  for (std::size_t id = 0; id < table.count; ++id) {
    const Field& known = table.fields[id];
    const Step here{step, known.name, -1};
    const std::uint64_t slot = 4 + 2 * id;
    const std::uint64_t offset = slot + 2 <= vtable_size ? load<std::uint16_t>(vtable_at + slot) : 0;
    if (offset == 0) {
      if (known.is_required) return refuse(&here, "is missing");
      continue;
    }
    if (offset < 4 || offset + inline_size(known) > size) return refuse(&here, "lies outside its table");
    if ((at + offset) % alignment(known) != 0) return refuse(&here, "is not aligned");
    if (!field(at + offset, known, &here)) return false;
  }
  return true;
}

bool Walk::field(std::uint64_t at, const Field& field, const Step* step) {
  if (field.kind == Kind::kScalar) return true;
  if (field.kind == Kind::kBinary) return range(at, step);
  const std::optional<std::uint64_t> target = follow(at, step);
  if (!target) return false;
  switch (field.kind) {
    case Kind::kTable: return table(*target, *field.table, step);
    case Kind::kString: {
      const std::optional<std::uint32_t> length = vector(*target, 1, step);
      if (!length) return false;
      if (*length > kMaxTextBytes) return refuse(step, "a text of " + std::to_string(*length) + " bytes");
      if (!inside(*target + 4 + *length, 1) || bytes_[*target + 4 + *length] != '\0') {
        return refuse(step, "the text has no end");
      }
      const bool is_whole = bytes_.substr(*target + 4, *length).find('\0') == std::string_view::npos;
      return is_whole || refuse(step, "the text ends before its length");
    }
    default: return elements(*target, field, step);
  }
}

bool Walk::elements(std::uint64_t at, const Field& field, const Step* step) {
  const std::uint64_t each = field.kind == Kind::kScalars    ? field.size
                             : field.kind == Kind::kBinaries ? sizeof(Range)
                                                             : 4;
  const std::optional<std::uint32_t> count = vector(at, each, step);
  if (!count || field.kind == Kind::kScalars) return count.has_value();
  for (std::uint32_t i = 0; i < *count; ++i) {
    const Step here{step->before, step->field, i};
    const std::uint64_t element = at + 4 + each * i;
    if (field.kind == Kind::kBinaries) {
      if (!range(element, &here)) return false;
      continue;
    }
    const std::optional<std::uint64_t> target = follow(element, &here);
    if (!target || !table(*target, *field.table, &here)) return false;
  }
  return true;
}

bool Walk::range(std::uint64_t at, const Step* step) {
  if (++parts_ > kMaxParts) return refuse(step, "more than a million tables and ranges");
  const auto start = load<std::uint64_t>(at);
  const auto size = load<std::uint64_t>(at + 8);
  if (start <= binary_bytes_ && size <= binary_bytes_ - start) return true;
  return refuse(step, std::to_string(size) + " bytes at " + std::to_string(start) + ", but the data has " +
                          std::to_string(binary_bytes_));
}

std::optional<std::uint64_t> Walk::follow(std::uint64_t at, const Step* step) {
  const std::uint64_t target = at + load<std::uint32_t>(at);
  if (target != at && inside(target, 4) && target % 4 == 0) return target;
  refuse(step, "points outside");
  return std::nullopt;
}

std::optional<std::uint32_t> Walk::vector(std::uint64_t at, std::uint64_t element_bytes, const Step* step) {
  const auto count = load<std::uint32_t>(at);
  if (inside(at + 4, count * element_bytes)) return count;
  refuse(step, "has " + std::to_string(count) + " entries, which run past the end");
  return std::nullopt;
}

}  // namespace

std::string verify(std::string_view bytes, const Table& root, std::uint64_t binary_bytes) {
  if (bytes.size() < 8) return "root: " + std::to_string(bytes.size()) + " bytes are too few";
  std::uint32_t at = 0;
  std::memcpy(&at, bytes.data(), sizeof at);
  Walk walk(bytes, binary_bytes);
  walk.table(at, root, nullptr);
  return std::move(walk).problem();
}

}  // namespace edgecore::sophon::flatbuffer
