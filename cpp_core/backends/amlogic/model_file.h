// A compiled network (NBG, "network binary graph"): its header read and judged without the vendor's library, whose
// loader takes a pointer without a length and ends in a segmentation fault on damaged files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgecore/abi.h"
#include "element.h"

namespace edgecore::amlogic {

struct Port {
  std::string name;
  Element element;
  std::vector<std::int64_t> shape;  // outermost first, as the seam counts

  std::size_t count() const noexcept;
  std::size_t stored_bytes() const noexcept { return count() * size_of(element.type); }
};

struct Model {
  std::vector<char> bytes;  // the driver may read from them as long as the model is loaded
  std::uint32_t version = 0;
  std::uint32_t target_pid = 0;
  std::vector<Port> inputs;
  std::vector<Port> outputs;
};

/// kNotFound, kCorrupt, or kUnsupported for a version or a type of numbers that is not known here.
abi::Code read_model(const char* path, Model& model, abi::Error* error);

/// device_pid 0: unknown, the model has to be for A311D then.
abi::Code check_target(const Model& model, std::uint32_t device_pid, abi::Error* error);

}  // namespace edgecore::amlogic
