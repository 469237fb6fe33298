#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace {

bool is_done = false;

/// Some fake modules call exit(0): in this process, by a defect of ours, that must not look like success.
void refuse_early_end() {
  if (is_done) return;
  std::fputs("the process was ended before the tests were\n", stderr);
  _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  std::atexit(refuse_early_end);
  doctest::Context context(argc, argv);
  const int failed = context.run();
  is_done = true;
  return failed;
}
