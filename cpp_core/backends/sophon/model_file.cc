#include "model_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/bmrt.h"
#include "edgecore/module.h"
#include "schema.h"
#include "sha256.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using flatbuffer::Range;
using flatbuffer::View;
using module::fail;

// Little endian: magic, size of this header, of the FlatBuffer, of the data; zeros. Computed on files of tpu-mlir 1.6,
// as tpu-bmodel/include/bmodel.hpp of sophgo/libsophon describes it.
constexpr std::uint32_t kMagic = 0xFF55AAEE;
constexpr std::uint32_t kHeaderBytes = 64;
constexpr std::uint32_t kUsedHeaderBytes = 16;

std::uint32_t word(std::string_view bytes, std::size_t index) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + 4 * index, sizeof value);
  return value;
}

struct Parts {
  std::string_view description;  // the FlatBuffer
  std::string_view data;
};

/// bytes: the file's, from its first one on.
Code check_header(std::string_view bytes, std::uint64_t file_bytes, abi::Error* error) {
  const auto size = static_cast<unsigned long long>(file_bytes);
  if (bytes.size() < kHeaderBytes) {
    return fail(error, Code::kCorrupt, "is no bmodel: %llu bytes, its header alone has %u", size, kHeaderBytes);
  }
  if (word(bytes, 0) != kMagic) {
    return fail(error, Code::kCorrupt, "is no bmodel: it begins with 0x%08X, expected 0x%08X", word(bytes, 0), kMagic);
  }
  const std::uint32_t header = word(bytes, 1);
  if (header > kHeaderBytes && header < file_bytes) {
    return fail(error, Code::kUnsupported,
                "its header has %u bytes, expected %u: it is encrypted, or of another version", header, kHeaderBytes);
  }
  if (header != kHeaderBytes) {
    return fail(error, Code::kCorrupt, "its header says that it has %u bytes, expected %u", header, kHeaderBytes);
  }
  const std::uint64_t description = word(bytes, 2);
  const std::uint64_t data = word(bytes, 3);
  if (kHeaderBytes + description + data != file_bytes) {
    return fail(error, Code::kCorrupt,
                "has %llu bytes, but its header says %u + %llu + %llu: it is cut off, or has changed", size,
                kHeaderBytes, static_cast<unsigned long long>(description), static_cast<unsigned long long>(data));
  }
  const std::string_view unused = bytes.substr(kUsedHeaderBytes, kHeaderBytes - kUsedHeaderBytes);
  if (unused.find_first_not_of('\0') != std::string_view::npos) {
    return fail(error, Code::kCorrupt, "its header has bytes after the sizes that ought to be zero");
  }
  return Code::kOk;
}

Code split(std::string_view bytes, Parts& parts, abi::Error* error) {
  if (Code code = check_header(bytes, bytes.size(), error); code != Code::kOk) return code;
  const std::uint32_t description = word(bytes, 2);
  parts.description = bytes.substr(kHeaderBytes, description);
  parts.data = bytes.substr(kHeaderBytes + description);
  return Code::kOk;
}

/// Makes `bytes` as long as `size`, and reads what is not there yet.
Code fill(int file, std::size_t size, std::string& bytes, abi::Error* error) noexcept {
  std::size_t have = bytes.size();
  try {
    bytes.resize(size);
  } catch (const std::exception&) {  // std::bad_alloc, std::length_error: a module lets no exception out
    return fail(error, Code::kUnsupported, "has %zu bytes, for which there is no memory", size);
  }
  while (have < size) {
    const ssize_t got = read(file, bytes.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(error, Code::kCorrupt, "cannot be read beyond byte %zu of %zu", have, size);
    have += static_cast<std::size_t>(got);
  }
  return Code::kOk;
}

bool is_printable(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4U];
    text += kDigits[static_cast<unsigned char>(byte) & 15U];
  }
  return text;
}

/// Every complaint starts with the network and stage that it is about.
class StageCheck {
 public:
  StageCheck(std::string where, std::string_view data, abi::Error* error)
      : where_(std::move(where)), data_(data), error_(error) {}

  Code tensors(const View& stage, std::size_t id, std::vector<TensorFacts>& facts) {
    if (stage.count(id) == 0) {
      return fail(error_, Code::kCorrupt, "%s has no %s", where_.c_str(),
                  id == schema::kInputTensor ? "inputs" : "outputs");
    }
    for (std::size_t i = 0; i < stage.count(id); ++i) {
      if (Code code = tensor(stage.table(id, i), facts.emplace_back()); code != Code::kOk) return code;
    }
    return Code::kOk;
  }

  /// The loader reads both lists of a piece that runs on the TPU (0) or the CPU (1) without looking whether they are
  /// there.
  Code pieces(const View& stage) {
    for (std::size_t i = 0; i < stage.count(schema::kSubNets); ++i) {
      const View piece = stage.table(schema::kSubNets, i);
      if (piece.scalar<std::int32_t>(schema::kSubNetMode) > 1) continue;
      if (piece.has(schema::kSubNetInput) && piece.has(schema::kSubNetOutput)) continue;
      return fail(error_, Code::kCorrupt, "%s: its sub-network %zu has no inputs or no outputs", where_.c_str(), i);
    }
    return Code::kOk;
  }

  /// Commands that read damaged weights still run: nothing else would notice.
  Code weights(const View& memory) {
    const std::string_view expected = memory.text(schema::kCheckCode);
    if (!memory || expected.empty()) return Code::kOk;
    if (memory.scalar<std::int32_t>(schema::kEncryptMode) != 0) {
      return fail(error_, Code::kUnsupported, "%s: its weights are encrypted", where_.c_str());
    }
    const Range range = memory.range(schema::kBinaryCoeff);
    Sha256 digest;
    digest.update(data_.data() + range.start, range.size);
    if (digest.finish() == hex(expected)) return Code::kOk;
    return fail(error_, Code::kCorrupt, "%s: its weights do not have the checksum that it states", where_.c_str());
  }

 private:
  Code tensor(const View& tensor, TensorFacts& facts) {
    facts.name = tensor.text(schema::kTensorName);
    facts.dtype = tensor.scalar<std::uint32_t>(schema::kDataType);
    const char* where = where_.c_str();
    if (!is_printable(facts.name)) return fail(error_, Code::kCorrupt, "%s: a tensor's name is not a text", where);
    if (facts.dtype > bm::kUInt4) {
      return fail(error_, Code::kCorrupt, "%s: '%s' has the unknown type %u", where, facts.name.c_str(), facts.dtype);
    }
    if (tensor.count(schema::kTensorShape) == 0) {
      return fail(error_, Code::kCorrupt, "%s: '%s' has no shape", where, facts.name.c_str());
    }
    const View shape = tensor.table(schema::kTensorShape, 0);
    if (shape.count(0) > bm::kMaxRank) {
      return fail(error_, Code::kCorrupt, "%s: '%s' has %zu dimensions, at most %d are possible", where,
                  facts.name.c_str(), shape.count(0), bm::kMaxRank);
    }
    std::uint64_t elements = 1;
    for (std::size_t i = 0; i < shape.count(0); ++i) {
      const auto size = shape.scalar_at<std::uint64_t>(0, i);
      if (size == 0 || size > kMaxElements || (elements *= size) > kMaxElements) {
        return fail(error_, Code::kCorrupt, "%s: '%s' has an impossible shape", where, facts.name.c_str());
      }
      facts.shape.push_back(size);
    }
    return Code::kOk;
  }

  static constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 31U;  // the API counts in int

  std::string where_;
  std::string_view data_;
  abi::Error* error_;
};

Code check_network(const View& network, std::string_view data, NetworkFacts& facts, abi::Error* error) {
  facts.name = network.text(schema::kNetName);
  facts.stage_count = network.count(schema::kParameter);
  if (!is_printable(facts.name)) return fail(error, Code::kCorrupt, "a network's name is not a text");
  if (facts.stage_count == 0) {
    return fail(error, Code::kUnsupported, "network '%s' is in the form of before 2019", facts.name.c_str());
  }
  if (network.has(schema::kCascadeOfNet)) {
    return fail(error, Code::kUnsupported, "network '%s' is spread over several devices", facts.name.c_str());
  }
  for (std::size_t i = 0; i < facts.stage_count; ++i) {
    const View stage = network.table(schema::kParameter, i);
    StageCheck check("network '" + facts.name + "', stage " + std::to_string(i), data, error);
    std::vector<TensorFacts> inputs;
    std::vector<TensorFacts> outputs;
    if (Code code = check.tensors(stage, schema::kInputTensor, inputs); code != Code::kOk) return code;
    if (Code code = check.tensors(stage, schema::kOutputTensor, outputs); code != Code::kOk) return code;
    if (Code code = check.pieces(stage); code != Code::kOk) return code;
    if (Code code = check.weights(stage.table(schema::kCoeff)); code != Code::kOk) return code;
    if (i == 0) {
      facts.core_count = std::max(stage.scalar<std::uint32_t>(schema::kCoreCount), 1U);
      facts.inputs = std::move(inputs);
      facts.outputs = std::move(outputs);
    } else if (inputs.size() != facts.inputs.size() || outputs.size() != facts.outputs.size()) {
      return fail(error, Code::kCorrupt, "network '%s': its stages have different inputs or outputs",
                  facts.name.c_str());
    }
  }
  return Code::kOk;
}

/// Programs for the chip's own processors, carried in the model. Both are ELF files.
Code check_module(const View& module, std::string_view data, const char* title, abi::Error* error) {
  const Range range = module.range(schema::kModuleBinary);
  constexpr std::string_view kElf = "\x7f" "ELF";
  if (range.size == 0 || data.substr(range.start, range.size).substr(0, kElf.size()) == kElf) return Code::kOk;
  return fail(error, Code::kCorrupt, "%s is not an ELF file", title);
}

}  // namespace

Code read_file(const char* path, std::string& bytes, abi::Error* error) noexcept {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return fail(error, errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kInvalidArgument,
                "cannot be opened: %s", std::strerror(errno));
  }
  struct stat facts {};
  Code code = Code::kOk;
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    code = fail(error, Code::kInvalidArgument, "is not a file");
  } else {
    // The header first: a file of holes claims any size.
    const auto size = static_cast<std::size_t>(facts.st_size);
    code = fill(file, std::min<std::size_t>(size, kHeaderBytes), bytes, error);
    if (code == Code::kOk) code = check_header(bytes, size, error);
    if (code == Code::kOk) code = fill(file, size, bytes, error);
  }
  close(file);
  return code;
}

Code check_model(const std::string& bytes, ModelFacts& facts, abi::Error* error) noexcept {
  Parts parts;
  if (Code code = split(bytes, parts, error); code != Code::kOk) return code;
  const std::string problem = flatbuffer::verify(parts.description, schema::kModel, parts.data.size());
  if (!problem.empty()) return fail(error, Code::kCorrupt, "its description is damaged: %s", problem.c_str());

  const View model = View::root(parts.description);
  facts.version = model.text(schema::kVersion);
  facts.chip = model.text(schema::kChip);
  if (!is_printable(facts.version) || !is_printable(facts.chip)) {
    return fail(error, Code::kCorrupt, "its description is damaged: version or chip is not a text");
  }
  if (facts.version.compare(0, 2, "2.") != 0) {
    return fail(error, Code::kUnsupported, "is a bmodel of version '%s', expected 2.x: convert it afresh",
                facts.version.c_str());
  }
  if (Code code = check_module(model.table(schema::kKernelModule), parts.data, "its kernel module", error);
      code != Code::kOk) {
    return code;
  }
  if (Code code = check_module(model.table(schema::kCpuModule), parts.data, "its CPU module", error);
      code != Code::kOk) {
    return code;
  }
  if (model.count(schema::kNets) == 0) return fail(error, Code::kCorrupt, "has no network");
  for (std::size_t i = 0; i < model.count(schema::kNets); ++i) {
    NetworkFacts& network = facts.networks.emplace_back();
    if (Code code = check_network(model.table(schema::kNets, i), parts.data, network, error); code != Code::kOk)
      return code;
  }
  return Code::kOk;
}

Code check_chip(const std::string& model_chip, unsigned device_chip_id, abi::Error* error) noexcept {
  // The names that the runtime itself takes for a chip: BM1684X was BM1686 before its release, and later BM1688 was.
  // Source: Bmruntime::load_bmodel, tpu-runtime/src/bmruntime_bmodel.cpp of sophgo/libsophon.
  struct Pair {
    unsigned chip_id;
    const char* model_chip;
  };
  constexpr Pair kTaken[] = {
      {bm::kChipBm1684, "BM1684"},  {bm::kChipBm1684x, "BM1684X"}, {bm::kChipBm1684x, "BM1686"},
      {bm::kChipBm1688, "BM1688"},  {bm::kChipBm1688, "BM1686"},   {bm::kChipBm1688, "CV186X"},
  };
  const char* device = nullptr;
  for (const Pair& pair : kTaken) {
    if (pair.chip_id != device_chip_id) continue;
    if (model_chip == pair.model_chip) return Code::kOk;
    if (device == nullptr) device = pair.model_chip;
  }
  if (device == nullptr) {
    return fail(error, Code::kUnsupported,
                "the device's chip 0x%x is not known; models run on BM1684, BM1684X and BM1688", device_chip_id);
  }
  return fail(error, Code::kUnsupported, "is compiled for %s, but the device is a %s: convert it for that chip",
              model_chip.c_str(), device);
}

}  // namespace edgecore::sophon
