// The maker's libraries, opened at run time.
#pragma once

#include <initializer_list>
#include <string>

namespace edgecore::sophon {

/// What the environment's `variable` names if it is set, else the first of `names` that the loader finds. Never closed.
/// nullptr with the loader's words in `reasons`.
void* open_library(const char* variable, std::initializer_list<const char*> names, std::string& reasons) noexcept;

/// The file that was opened, links followed: its folder names the SDK's release on a box.
std::string path_of(void* library);

/// Looks up functions in a library and in what that one needs. Remembers the first name that is missing.
class Resolver {
 public:
  explicit Resolver(void* library) noexcept : library_(library) {}

  template <typename F>
  void operator()(F& function, const char* name) noexcept {
    maybe(function, name);
    if (function == nullptr && missing_ == nullptr) missing_ = name;
  }

  template <typename F>
  void maybe(F& function, const char* name) noexcept {
    function = reinterpret_cast<F>(find(name));
  }

  const char* missing() const noexcept { return missing_; }

 private:
  void* find(const char* name) const noexcept;

  void* library_;
  const char* missing_ = nullptr;
};

}  // namespace edgecore::sophon
