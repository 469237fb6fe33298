#include "objects.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace stand_in {
namespace {

constexpr const char* kKinds[] = {"IRuntime", "ICudaEngine", "IExecutionContext"};
const char* const* g_orders[3];
std::size_t g_counts[3];

template <int kind, std::size_t slot>
void unexpected() {
  const char* const name = slot < g_counts[kind] ? g_orders[kind][slot] : "a function that this release has not";
  std::fprintf(stderr, "stand-in: %s: function %zu was called, %s; the stand-in of %d has none of its own\n", kKinds[kind],
               slot, name, kVersion);
  std::abort();
}

template <int kind, std::size_t... slots>
void fill(Table& table, std::index_sequence<slots...>) {
  ((table.slots[2 + slots] = &unexpected<kind, slots>), ...);
}

void deleted_inside() {
  std::fputs("stand-in: the implementation was deleted rather than the object\n", stderr);
  std::abort();
}

}  // namespace

Table make_table(int kind, const char* const* order, std::size_t count, const std::vector<Named>& functions) {
  Table table{};
  g_orders[kind] = order;
  g_counts[kind] = count;
  const std::make_index_sequence<kMostSlots> all;
  if (kind == 0) fill<0>(table, all);
  if (kind == 1) fill<1>(table, all);
  if (kind == 2) fill<2>(table, all);
  table.slots[0] = table.slots[1] = deleted_inside;
  for (std::size_t i = 0; i < count; ++i) {
    for (const Named& each : functions) {
      if (std::strcmp(each.name, order[i]) == 0) table.slots[2 + i] = each.function;
    }
  }
  return table;
}

const Door& door() {
  static const Door* const found = [] {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    const void* symbol = library != nullptr ? dlsym(library, kDoorName) : nullptr;
    if (symbol == nullptr) {
      std::fputs("stand-in: libcuda.so.1 is not the stand-in of the driver\n", stderr);
      std::abort();
    }
    return static_cast<const Door*>(symbol);
  }();
  return *found;
}

const Release& release() {
  for (const Release& each : kReleases) {
    if (each.version == kVersion) return each;
  }
  std::abort();
}

void log_error(void* logger, const std::string& text) {
  using Log = void (*)(void* self, std::int32_t severity, const char* words);
  constexpr std::int32_t kError = 1;
  const Slot* const table = *static_cast<const Slot* const*>(logger);
  reinterpret_cast<Log>(table[0])(logger, kError, text.c_str());
}

}  // namespace stand_in
