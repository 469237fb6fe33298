// Objects as TensorRT hands them out, with virtual tables made at run time from the order of the functions (order.h): an
// application that counts slots otherwise calls another function here, too, and is told which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "door.h"
#include "network.h"
#include "order.h"

namespace stand_in {

#if STAND_IN_MAJOR == 8
using Extent = std::int32_t;
#else
using Extent = std::int64_t;
#endif
struct Dims {
  std::int32_t rank = -1;
  Extent extents[8] = {};
};

constexpr std::size_t kMostSlots = 64;
using Slot = void (*)();

/// Destructor (complete, deleting), then the functions.
struct Table {
  Slot slots[2 + kMostSlots];
};

/// The object that the application deletes: a table of the destructor alone, and the way to what does the work.
struct Handle {
  const Slot* destructor = nullptr;
  void* implementation = nullptr;
};

struct Named {
  const char* name;
  Slot function;
};
template <typename F>
Named named(const char* name, F function) {
  return {name, reinterpret_cast<Slot>(function)};
}

/// kind: "IRuntime". Slots without a function here, and those that the release has not, say so and end the process.
Table make_table(int kind, const char* const* order, std::size_t count, const std::vector<Named>& functions);

const Door& door();
/// getInferLibVersion()'s value: which of kReleases this library is. Defined once per library.
extern const int kVersion;
const Release& release();

/// Calls the application's ILogger: log() is in slot 0 of its table.
void log_error(void* logger, const std::string& text);

struct RuntimeImplementation {
  const Slot* table = nullptr;
  Handle handle;
  void* logger = nullptr;
  int dla_core = -1;
  bool host_code = false;
};

struct EngineImplementation {
  const Slot* table = nullptr;
  Handle handle;
  void* logger = nullptr;
  std::shared_ptr<Network> network;
  std::vector<Shape> shapes;  // as a plan states them: outputs of fixed inputs are fixed
};

struct ContextImplementation {
  const Slot* table = nullptr;
  Handle handle;
  void* logger = nullptr;
  std::shared_ptr<Network> network;
  std::vector<Shape> shapes;
  std::vector<void*> addresses;
  bool is_inferred = false;
};

Handle* make_engine(void* logger, std::shared_ptr<Network> network, std::vector<Shape> shapes);
Handle* make_context(const EngineImplementation& engine);

}  // namespace stand_in
