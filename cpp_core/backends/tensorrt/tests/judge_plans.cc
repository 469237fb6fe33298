// edgecore-tensorrt-plans RELEASE CAPABILITY FILE...: what the validator says of each file, a line each, without TensorRT.
// RELEASE: 806 is 8.6; CAPABILITY: 87 is 8.7, 0 is any.
#include <cstdio>
#include <cstdlib>

#include "model_file.h"

int main(int argc, char** argv) {
  using namespace edgecore;
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s RELEASE CAPABILITY FILE...\n", argv[0]);
    return 2;
  }
  for (int i = 3; i < argc; ++i) {
    tensorrt::ModelFile file;
    tensorrt::PlanFacts facts;
    abi::Error error;
    abi::Code code = file.read(argv[i], &error);
    if (code == abi::Code::kOk) code = tensorrt::check_plan(file, facts, &error);
    if (code == abi::Code::kOk) code = tensorrt::check_fit(facts, std::atoi(argv[1]), std::atoi(argv[2]), &error);
    std::printf("%d\t%s\t%s\n", static_cast<int>(code), argv[i], code == abi::Code::kOk ? tensorrt::describe(facts).c_str() : error.text);
  }
  return 0;
}
