#include "model_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <sys/stat.h>

#include "edgecore/module.h"
#include "schema.h"
#include "wire.h"

namespace edgecore::cpu {
namespace {

using abi::Code;
using module::fail;
using namespace onnx;

constexpr int kMostDepth = 100;                 // protocol buffers' own limit, which the runtime keeps to
constexpr std::uint64_t kMostIrVersion = 1000;  // 13 in 2025, one more a year
constexpr std::size_t kFieldNumbers = 32;       // beyond all in schema.h
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 62U;

/// What a message has, by number of field.
struct Facts {
  std::array<std::uint64_t, kFieldNumbers> fields{};   // how many
  std::array<std::uint64_t, kFieldNumbers> numbers{};  // how many, packed ones too
  std::array<std::uint64_t, kFieldNumbers> value{};    // the last number
  std::array<Span, kFieldNumbers> bytes{};             // the last bytes
  std::uint64_t product = 1;                           // of a tensor's dimensions
  std::string location;                                // of a tensor's data in a file of its own
  std::optional<std::uint64_t> offset, length;
  bool has_bad_number = false;                         // among what describes that file
};

/// Decimal, as the format has them; nullopt for anything else.
std::optional<std::uint64_t> parse_number(const std::string& text) {
  constexpr std::size_t kMostDigits = 19;  // fit in 64 bits
  if (text.empty() || text.size() > kMostDigits) return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return number;
}

class Look {
 public:
  Look(WireReader& file, const char* path, abi::Error* error) : file_(file), path_(path), error_(error) {}

  Code message(Kind kind, Span span, int depth, Facts& facts) {
    if (depth > kMostDepth) return refuse(kind, span.begin, "messages lie too deep in each other");
    while (span.begin < span.end) {
      const std::uint64_t begin = span.begin;
      WireField field;
      if (const char* problem = file_.next(span, field)) return refuse(kind, begin, problem);
      const Field* const known = find(kind, field.number);
      if (known == nullptr) continue;
      if (Code code = note(kind, *known, field, begin, depth, facts); code != Code::kOk) return code;
    }
    return Code::kOk;
  }

  Code check(Kind kind, std::uint64_t at, const Facts& facts) {
    if (kind == kModel) return check_model(at, facts);
    // Where it is ONNX's own: of others the runtime takes any number, and none.
    const bool has_domain = kind == kOperatorSet && facts.bytes[1].size() > 0;
    if (kind == kOperatorSet && !has_domain && (facts.value[2] == 0 || facts.value[2] > kMostBytes)) {
      return refuse(kind, at, "its version is missing");
    }
    if (kind == kNode && facts.bytes[4].size() == 0) return refuse(kind, at, "its operator has no name");
    return kind == kTensor ? check_tensor(at, facts) : Code::kOk;
  }

 private:
  static Wire wire_of(Kind kind) {
    switch (kind) {
      case kInteger: return Wire::kVarint;
      case kFloat: return Wire::kFixed32;
      case kDouble: return Wire::kFixed64;
      default: return Wire::kBytes;
    }
  }

  static const Field* find(Kind kind, std::uint32_t number) {
    const Message& message = message_of(kind);
    for (std::size_t at = 0; at < message.count; ++at) {
      if (message.fields[at].number == number) return &message.fields[at];
    }
    return nullptr;
  }

  Code refuse(Kind kind, std::uint64_t at, const char* problem) {
    return fail(error_, Code::kCorrupt, "byte %llu, %s: %s", static_cast<unsigned long long>(at), message_of(kind).name,
                problem);
  }

  void count(Kind in, const Field& field, std::uint64_t value, Facts& facts) {
    ++facts.numbers[field.number];
    facts.value[field.number] = value;
    if (in != kTensor || field.number != 1) return;
    const bool fits = value <= kMostBytes && (value == 0 || facts.product <= kMostBytes / value);
    facts.product = fits ? facts.product * value : kMostBytes + 1;
  }

  Code note(Kind in, const Field& known, const WireField& field, std::uint64_t begin, int depth, Facts& facts) {
    const bool is_number = known.holds == kInteger || known.holds == kFloat || known.holds == kDouble;
    const Wire expected = wire_of(known.holds);
    ++facts.fields[known.number];
    if (is_number && field.wire == Wire::kBytes) return note_packed(in, known, field.payload, facts);
    if (field.wire != expected) return refuse(in, begin, "a field is of another type than it has to be");
    if (is_number) {
      count(in, known, field.value, facts);
      return Code::kOk;
    }
    facts.bytes[known.number] = field.payload;
    if (known.holds == kBytes) return Code::kOk;
    Facts inner;
    if (Code code = message(known.holds, field.payload, depth + 1, inner); code != Code::kOk) return code;
    if (in == kTensor && known.number == 13) note_location(inner, facts);
    return check(known.holds, begin, inner);
  }

  Code note_packed(Kind in, const Field& known, Span span, Facts& facts) {
    const std::uint64_t begin = span.begin;
    if (known.holds == kInteger) {
      while (span.begin < span.end) {
        std::uint64_t value = 0;
        if (const char* problem = file_.varint(span, value)) return refuse(in, begin, problem);
        count(in, known, value, facts);
      }
      return Code::kOk;
    }
    const std::uint64_t size = known.holds == kFloat ? 4 : 8;
    if (span.size() % size != 0) return refuse(in, begin, "its numbers break off");
    facts.numbers[known.number] += span.size() / size;
    return Code::kOk;
  }

  std::string text(const Span& span) {
    constexpr std::size_t kMost = 4096;
    std::string text(kMost, '\0');
    text.resize(file_.copy(span, text.data(), text.size()));
    return text;
  }

  /// One of the entries that say where a tensor's data is.
  void note_location(const Facts& entry, Facts& tensor) {
    const std::string key = text(entry.bytes[1]);
    const std::string value = text(entry.bytes[2]);
    if (key == "location") tensor.location = value;
    if (key != "offset" && key != "length") return;
    std::optional<std::uint64_t>& number = key == "offset" ? tensor.offset : tensor.length;
    number = parse_number(value);
    if (!number) tensor.has_bad_number = true;
    if (tensor.length == std::uint64_t{0}) tensor.length.reset();  // means to the runtime that nobody says it
  }

  Code check_model(std::uint64_t at, const Facts& facts) {
    if (facts.fields[1] == 0) return refuse(kModel, at, "no ONNX model: the version of the format is missing");
    if (facts.value[1] == 0 || facts.value[1] > kMostIrVersion) {
      return refuse(kModel, at, "the version of the format is none that there is");
    }
    if (facts.fields[7] == 0) return refuse(kModel, at, "the graph is missing");
    if (facts.fields[8] == 0) return refuse(kModel, at, "the operator set is missing");
    return Code::kOk;
  }

  Code check_tensor(std::uint64_t at, const Facts& facts) {
    if (facts.product > kMostBytes) return refuse(kTensor, at, "its dimensions are beyond counting");
    if (facts.fields[3] > 0 || facts.value[2] >= std::size(kElementTypes)) return Code::kOk;  // a part; a later type
    const ElementType& type = kElementTypes[facts.value[2]];
    const bool is_counted = type.bits > 0 && facts.product < kMostBytes / 128;
    const std::uint64_t size_bytes = is_counted ? (facts.product * type.bits + 7) / 8 : 0;
    if (facts.value[14] == 1) return check_external(at, facts, is_counted ? std::optional(size_bytes) : std::nullopt);
    if (facts.fields[9] > 0) {
      const bool fits = !is_counted || facts.bytes[9].size() == size_bytes;
      return fits ? Code::kOk : refuse(kTensor, at, "its data is not as long as its shape and type say");
    }
    const std::uint64_t found = type.field == 6 ? facts.fields[6] : facts.numbers[type.field];
    if (type.field == 0 || found == 0 || found == facts.product * type.per_element) return Code::kOk;
    return refuse(kTensor, at, "it has another number of elements than its shape says");
  }

  /// Data in a file beside the model.
  Code check_external(std::uint64_t at, const Facts& facts, std::optional<std::uint64_t> expected) {
    if (facts.location.empty()) return refuse(kTensor, at, "the file of its data is not named");
    if (facts.has_bad_number) return refuse(kTensor, at, "the place of its data is no number");
    if (facts.length && expected && *facts.length != *expected) {
      return refuse(kTensor, at, "its data is not as long as its shape and type say");
    }
    const std::string model = path_;
    const std::string folder = facts.location.front() == '/' ? "" : model.substr(0, model.rfind('/') + 1);
    const std::string file = folder + facts.location;
    struct stat info {};
    if (stat(file.c_str(), &info) != 0) {
      return fail(error_, Code::kNotFound, "%s: %s (weights of the model, which belong beside it)", file.c_str(),
                  std::strerror(errno));
    }
    const auto size_bytes = static_cast<std::uint64_t>(info.st_size);
    const std::uint64_t offset = facts.offset.value_or(0);
    const std::uint64_t length = facts.length ? *facts.length : expected.value_or(0);
    if (offset <= size_bytes && length <= size_bytes - offset) return Code::kOk;
    return fail(error_, Code::kCorrupt, "%s: has %llu bytes, and the model's weights reach to byte %llu", file.c_str(),
                static_cast<unsigned long long>(size_bytes), static_cast<unsigned long long>(offset + length));
  }

  WireReader& file_;
  const char* path_;
  abi::Error* error_;
};

/// FlatBuffers' file identifier. Source: onnxruntime/core/flatbuffers/schema/ort.fbs.
Code check_ort_file(WireReader& file, abi::Error* error) {
  constexpr std::uint64_t kIdentifierAt = 4;
  char identifier[4] = {};
  const std::size_t count = file.copy({kIdentifierAt, file.size_bytes()}, identifier, sizeof identifier);
  if (count == sizeof identifier && std::memcmp(identifier, "ORTM", sizeof identifier) == 0) return Code::kOk;
  return fail(error, Code::kCorrupt, "byte 4: expected the identifier ORTM of a model in ONNX Runtime's own format");
}

}  // namespace

Code check_model_file(const char* path, abi::Error* error) noexcept {
  WireReader file;
  if (const int problem = file.open(path); problem != 0) {
    return fail(error, problem == ENOENT ? Code::kNotFound : Code::kInvalidArgument, "%s", std::strerror(problem));
  }
  const std::string name = path;  // by whose end the runtime tells them apart, too
  if (name.size() > 4 && name.compare(name.size() - 4, 4, ".ort") == 0) return check_ort_file(file, error);
  const Span whole{0, file.size_bytes()};
  Facts facts;
  Look look(file, path, error);
  const Code code = look.message(kModel, whole, 1, facts);
  return code == Code::kOk ? look.check(kModel, 0, facts) : code;
}

}  // namespace edgecore::cpu
