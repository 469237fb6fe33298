// edgecore-contract BACKEND_DIR FIXTURES: what every backend module promises, asked of each one found.
// Runs on the desk, under emulation and on the box alike; needs nothing but its two folders.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "contract.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs(
        "usage: edgecore-contract BACKEND_DIR FIXTURES [doctest options]\n"
        "  BACKEND_DIR  folder with libedgecore-NAME.so\n"
        "  FIXTURES     folder with NAME/tests/affine.*: y = 2 * x + 1 on float32 1x4, in the backend's format\n",
        stderr);
    return 2;
  }
  edgecore::contract::set_places({argv[1], argv[2]});
  doctest::Context context(argc - 2, argv + 2);
  return context.run();
}
