#include "library.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>

namespace edgecore::sophon {

void* open_library(const char* variable, std::initializer_list<const char*> names, std::string& reasons) noexcept {
  if (const char* chosen = std::getenv(variable); chosen != nullptr && *chosen != '\0') {
    void* library = dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) reasons = dlerror();
    return library;
  }
  for (const char* name : names) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
    reasons += reasons.empty() ? "" : "; ";
    reasons += dlerror();
  }
  return nullptr;
}

std::string path_of(void* library) {
  link_map* object = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &object) != 0 || object == nullptr) return "the library";
  char resolved[PATH_MAX];
  return realpath(object->l_name, resolved) != nullptr ? resolved : object->l_name;
}

void* Resolver::find(const char* name) const noexcept { return dlsym(library_, name); }

}  // namespace edgecore::sophon
