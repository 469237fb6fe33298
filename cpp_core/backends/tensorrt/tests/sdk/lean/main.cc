// Says which TensorRT it was given. No wheel has the headers, so the one function that is called is declared here; its
// signature is that of NvInferRuntime.h, "getInferLibVersion": a C function without arguments.
#include <cstdint>
#include <cstdio>

extern "C" std::int32_t getInferLibVersion() noexcept;

int main() {
  const std::int32_t version = getInferLibVersion();
  std::printf("lean runtime %d\n", version);
  return version >= 100000 ? 0 : 1;
}
