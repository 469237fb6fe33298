// What the stand-ins of libnvinfer and libnvcuvid ask of the stand-in of libcuda, which they find as the real ones find
// the driver: by dlopen("libcuda.so.1"). Pointers in a table, because each is a library of its own.
#pragma once

#include <cstddef>

namespace stand_in {

struct Door {
  bool (*fails)(const char* call);
  void (*born)(const char* kind, const void* handle);
  bool (*died)(const char* kind, const void* handle);
  bool (*expect)(const char* kind, const void* handle, const char* call);
  void (*broken)(const char* rule);
  /// A context is current in this thread; a rule broken if not.
  bool (*has_context)(const char* call);
  /// Work for a stream, done when somebody waits for it.
  bool (*launch)(void* stream, void (*work)(void* data), void* data);
  /// The bytes behind a device address, whole; null, and a rule broken, if it has not that many.
  void* (*bytes)(const void* address, std::size_t size, const char* who);
  /// Device memory of a library's own, which no cuMemFree may free.
  void* (*allocate)(std::size_t size);
  void (*release)(void* address);
};
inline constexpr char kDoorName[] = "edgecore_stand_in_door";

}  // namespace stand_in
