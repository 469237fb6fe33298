// The modules of tests/unit/modules/.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>

#include "edgecore/backend.h"

namespace edgecore::test {

/// bin/edgecore-unit -> lib/edgecore-unit
inline std::filesystem::path fake_modules() { return backend_directory().parent_path() / "edgecore-unit"; }

inline Backend fake_backend(const std::string& name) {
  Result<Backend> backend = open_backend(name, fake_modules());
  REQUIRE_MESSAGE(backend.ok(), backend.error().message);
  return *std::move(backend);
}

}  // namespace edgecore::test
