// What the stand-ins keep count of: calls, the one that is to fail, handles alive, rules that the caller broke.
//
// EDGECORE_STAND_IN_FAIL=N     the N-th call that can fail does so (1 is the first)
// EDGECORE_STAND_IN_FAIL=each  every call that can fail does so, each in a process of its own: branches.h
// EDGECORE_STAND_IN_REPORT=F   every process appends a line of JSON to F when it ends in good order
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "branches.h"

namespace stand_in {

class Ledger {
 public:
  /// One for the process, kept by the driver's stand-in.
  static Ledger& get();

  /// Counts a call; true: fail now.
  bool fails(const char* call);
  bool has_failed(const char* call) const { return failed_ == call; }
  /// "device memory" at `handle` lives from now on; it dies once.
  void born(const char* kind, const void* handle);
  /// False, and a rule broken, unless it is alive.
  bool died(const char* kind, const void* handle);
  bool is_alive(const char* kind, const void* handle) const;
  /// is_alive(), and a rule broken if it is not.
  bool expect(const char* kind, const void* handle, const char* call);
  void broken(const std::string& rule);

  /// One lock for all that both stand-ins do: work runs in the order of calls, whatever thread they come from.
  ForkableLock& lock() { return lock_; }

 private:
  Ledger();
  void report();

  ForkableLock lock_;
  long calls_ = 0;
  long fail_at_ = 0;
  std::string failed_;
  std::string report_;
  Branches branches_;
  std::map<const void*, std::string> alive_;
  std::vector<std::string> broken_;
};

using Locked = std::lock_guard<ForkableLock>;

/// "cuMemFree: 0x7f.. is no device memory"
std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace stand_in
