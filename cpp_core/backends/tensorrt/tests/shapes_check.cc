// edgecore-tensorrt-shapes MODULE PLAN: three runs open at a time, each of another shape, on a plan that gives back its one
// float32 input whose dimensions are free. Against the stand-in in CI, against NVIDIA's own library by hand.
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <vector>

#include "edgecore/abi.h"

namespace {

using namespace edgecore::abi;

constexpr std::int32_t kInFlight = 3;
constexpr int kRounds = 6;

struct Input {
  std::vector<float> numbers;
  Tensor tensor;
};

/// Another shape and other numbers for each round and slot.
Input make_input(const TensorInfo& info, int round, int slot) {
  Input input;
  Tensor& tensor = input.tensor;
  std::size_t count = 1;
  tensor.rank = info.rank;
  for (std::int32_t i = 0; i < info.rank; ++i) {
    tensor.shape[i] = info.shape[i] >= 0 ? info.shape[i] : 2 + round % 2 + i + slot;
    count *= static_cast<std::size_t>(tensor.shape[i]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    input.numbers.push_back(0.25F * static_cast<float>(i) + static_cast<float>(round * kInFlight + slot));
  }
  tensor.data = input.numbers.data();
  tensor.size_bytes = count * sizeof(float);
  return input;
}

int fail(const char* what, Code code, const Error& error) {
  std::printf("%s: %d %s\n", what, static_cast<int>(code), error.text);
  return 1;
}

int check(Engine& engine) {
  Error error;
  int wrong = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Input> inputs;
    for (std::int32_t slot = 0; slot < kInFlight; ++slot) inputs.push_back(make_input(*engine.input(0), round, slot));
    for (std::int32_t slot = 0; slot < kInFlight; ++slot) {
      Tensor& tensor = inputs[static_cast<std::size_t>(slot)].tensor;
      if (Code code = engine.submit(slot, &tensor, 1, &error); code != Code::kOk) return fail("submit", code, error);
    }
    for (std::int32_t slot = 0; slot < kInFlight; ++slot) {
      const Input& input = inputs[static_cast<std::size_t>(slot)];
      Tensor out;
      if (Code code = engine.wait(slot, &out, 1, &error); code != Code::kOk) return fail("wait", code, error);
      const bool is_same = out.size_bytes == input.tensor.size_bytes && out.rank == input.tensor.rank &&
                           std::memcmp(out.shape, input.tensor.shape, sizeof out.shape) == 0 &&
                           std::memcmp(out.data, input.tensor.data, out.size_bytes) == 0;
      wrong += is_same ? 0 : 1;
    }
  }
  Input huge = make_input(*engine.input(0), 0, 0);
  huge.numbers.resize(1000000);
  huge.tensor.data = huge.numbers.data();
  huge.tensor.size_bytes = huge.numbers.size() * sizeof(float);
  for (std::int32_t i = 0; i < huge.tensor.rank; ++i) huge.tensor.shape[i] = i == 0 ? 1000000 : 1;
  Tensor out;
  const Code code = engine.run(&huge.tensor, 1, &out, 1, &error);
  std::printf("outside the profile: %d %s\n", static_cast<int>(code), error.text);
  std::printf("%d runs, %d wrong\n", kRounds * kInFlight, wrong);
  return wrong == 0 && code == Code::kInvalidArgument ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODULE PLAN\n", argv[0]);
    return 2;
  }
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  const auto entry = library != nullptr ? reinterpret_cast<EntryPoint>(dlsym(library, kEntryPointName)) : nullptr;
  if (entry == nullptr) {
    std::fprintf(stderr, "%s: %s\n", argv[1], dlerror());
    return 2;
  }
  Error error;
  Backend* const backend = entry(kVersion, &error);
  if (backend == nullptr) return fail("module", error.code, error);
  std::printf("%s, %s\n", backend->name(), backend->runtime());
  const Option in_flight{"in_flight", "3"};
  EngineSpec spec;
  spec.model_path = argv[2];
  spec.options = &in_flight;
  spec.option_count = 1;
  Engine* engine = nullptr;
  if (Code code = backend->open_engine(spec, &engine, &error); code != Code::kOk) return fail("open", code, error);
  const int result = check(*engine);
  engine->release();
  return result;
}
