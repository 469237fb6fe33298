// edgecore-contract BACKEND_DIR FIXTURES: what every backend module promises, asked of each one found or named.
// Runs on the desk, under emulation and on the box alike; needs nothing but its two folders.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "contract.h"

namespace {

constexpr char kUsage[] =
    "usage: edgecore-contract BACKEND_DIR FIXTURES [--backends NAME[,NAME]...] [doctest options]\n"
    "  BACKEND_DIR  folder with libedgecore-NAME.so\n"
    "  FIXTURES     folder with NAME/tests/affine.*: y = 2 * x + 1 on float32 1x4, in the backend's format\n"
    "  --backends   these alone (also EDGECORE_CONTRACT_BACKENDS): others may lack their vendor's library here\n";

std::string named_in_environment() {
  const char* const names = std::getenv("EDGECORE_CONTRACT_BACKENDS");
  return names == nullptr ? "" : names;
}

}  // namespace

int main(int argc, char** argv) {
  const bool names_some = argc > 3 && std::strcmp(argv[3], "--backends") == 0;
  if (argc < 3 || (names_some && argc < 5)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  using namespace edgecore::contract;
  set_places({argv[1], argv[2], split_names(names_some ? argv[4] : named_in_environment())});
  const int used = names_some ? 4 : 2;
  doctest::Context context(argc - used, argv + used);
  return context.run();
}
