// edgecore-try: loads one model through one backend module and runs it once on zeros, so that whoever asked learns
// whether the vendor's library survives it. Links nothing of the core: it says what happened in one line on
// kTrialFd (src/trial.h), and dies of what the library dies of.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "edgecore/abi.h"
#include "trial.h"

namespace {

using namespace edgecore;
using abi::Code;

struct Arguments {
  const char* module;
  const char* model;
  std::int32_t device;
  std::int32_t threads;
  std::vector<abi::Option> options;
};

struct Answer {
  Code code = Code::kOk;
  std::string text;
};

struct Release {
  void operator()(abi::Engine* engine) const noexcept { engine->release(); }
};
using Engine = std::unique_ptr<abi::Engine, Release>;

std::size_t size_of(abi::DType dtype) noexcept {
  switch (dtype) {
    case abi::DType::kInt8:
    case abi::DType::kUInt8: return 1;
    case abi::DType::kFloat16: return 2;
    case abi::DType::kFloat32:
    case abi::DType::kInt32: return 4;
    case abi::DType::kInt64: return 8;
  }
  return 0;
}

/// Bytes of a tensor; 0 where they are not known before there is a picture, or are beyond reason.
std::size_t size_of(const abi::TensorInfo& info) noexcept {
  constexpr std::size_t kMost = std::size_t{256} << 20U;
  std::size_t size_bytes = size_of(info.dtype);
  for (std::int32_t i = 0; i < info.rank && i < static_cast<std::int32_t>(abi::kMaxRank); ++i) {
    if (info.shape[i] <= 0 || static_cast<std::size_t>(info.shape[i]) > kMost / (size_bytes + 1)) return 0;
    size_bytes *= static_cast<std::size_t>(info.shape[i]);
  }
  return size_bytes;
}

/// An error that the run reports is nothing to fear: the caller will meet it, too.
void run_on_zeros(abi::Engine& engine) {
  std::vector<std::vector<char>> zeros;
  std::vector<abi::Tensor> in, out(engine.output_count());
  for (std::size_t i = 0; i < engine.input_count(); ++i) {
    const abi::TensorInfo* const info = engine.input(i);
    const std::size_t size_bytes = info == nullptr ? 0 : size_of(*info);
    if (size_bytes == 0) return;
    abi::Tensor& tensor = in.emplace_back();
    tensor.data = zeros.emplace_back(size_bytes).data();
    tensor.size_bytes = size_bytes;
    tensor.rank = info->rank;
    std::memcpy(tensor.shape, info->shape, sizeof tensor.shape);
    tensor.dtype = info->dtype;
  }
  abi::Error ignored;
  engine.run(in.data(), in.size(), out.data(), out.size(), &ignored);
}

Answer attempt(const Arguments& arguments) {
  void* const library = dlopen(arguments.module, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {Code::kNotFound, dlerror()};
  const auto entry = reinterpret_cast<abi::EntryPoint>(dlsym(library, abi::kEntryPointName));
  if (entry == nullptr) return {Code::kCorrupt, "the module has no entry point"};
  abi::Error error;
  abi::Backend* const backend = entry(abi::kVersion, &error);
  if (backend == nullptr) return {error.code == Code::kOk ? Code::kInternal : error.code, error.text};

  abi::EngineSpec spec;
  spec.model_path = arguments.model;
  spec.options = arguments.options.data();
  spec.option_count = arguments.options.size();
  spec.device = arguments.device;
  spec.threads = arguments.threads;
  abi::Engine* opened = nullptr;
  const Code code = backend->open_engine(spec, &opened, &error);
  const Engine engine(opened);
  if (code != Code::kOk) return {code, error.text};
  if (engine == nullptr) return {Code::kInternal, "the backend reports success but gives no engine"};
  run_on_zeros(*engine);
  return {};
}

void tell(Answer answer) {
  for (char& letter : answer.text) {
    if (letter == '\n') letter = ' ';
  }
  const std::string line = std::to_string(static_cast<std::int32_t>(answer.code)) + " " + answer.text + "\n";
  if (write(kTrialFd, line.data(), line.size()) < 0) std::perror("edgecore-try");
}

/// A crash here is expected: no core file. Whoever asked may die: then nobody wants the answer. And nothing that the
/// library starts may keep the pipe open.
void keep_quiet() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  fcntl(kTrialFd, F_SETFD, FD_CLOEXEC);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::puts("edgecore-try " EDGECORE_VERSION);
    return 0;
  }
  if (argc < 5 || argc % 2 == 0) {
    std::fputs(
        "usage: edgecore-try MODULE MODEL DEVICE THREADS [KEY VALUE]...\n"
        "loads a model for a program that does not trust it yet, which reads the answer from descriptor 3\n",
        stderr);
    return 2;
  }
  keep_quiet();
  Arguments arguments{argv[1], argv[2], std::atoi(argv[3]), std::atoi(argv[4]), {}};
  for (int i = 5; i + 1 < argc; i += 2) arguments.options.push_back({argv[i], argv[i + 1]});
  tell(attempt(arguments));
  _exit(0);  // a vendor's destructors have no say in the answer
}
