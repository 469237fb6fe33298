// What a .bmodel file says of itself, read without the vendor's library and without trusting a byte of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "edgecore/abi.h"

namespace edgecore::sophon {

struct TensorFacts {
  std::string name;
  std::uint32_t dtype = 0;  // bm::DataType
  std::vector<std::uint64_t> shape;
};

struct NetworkFacts {
  std::string name;
  std::size_t stage_count = 0;
  std::uint32_t core_count = 1;      // that it has to run on at a time
  std::vector<TensorFacts> inputs;  // of the first stage
  std::vector<TensorFacts> outputs;
};

struct ModelFacts {
  std::string chip;     // "BM1684X", as the file spells it
  std::string version;  // "2.2+v1.6-20240224"
  std::vector<NetworkFacts> networks;
};

/// All of the file. kNotFound, kInvalidArgument (a folder) or kSdk with the reason.
abi::Code read_file(const char* path, std::string& bytes, abi::Error* error) noexcept;

/// kCorrupt: the bytes are not what the format promises: lengths, offsets, texts, shapes, checksums of weights.
/// kUnsupported: another version of the format, an encrypted model. Not looked at: the instructions for the chip.
abi::Code check_model(const std::string& bytes, ModelFacts& facts, abi::Error* error) noexcept;

/// kUnsupported, naming both, unless a model for `model_chip` runs on the device.
abi::Code check_chip(const std::string& model_chip, unsigned device_chip_id, abi::Error* error) noexcept;

}  // namespace edgecore::sophon
