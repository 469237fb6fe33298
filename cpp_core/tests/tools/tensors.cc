// edgecore-tensors MODULE MODEL OUTDIR INPUT...: runs a model through one backend module on tensors in files, for tests
// that compare numbers. Each INPUT holds the model's inputs one after the other; run N writes OUTDIR/N.OUTPUT. All
// slots of the engine are kept busy. Standard output has one line a tensor, "output NAME DTYPE 1 2 56 80", and "copies
// ...". Links nothing of the core: what is tested is the module.
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "edgecore/abi.h"

namespace {

using namespace edgecore;
using abi::Code;

struct Release {
  void operator()(abi::Engine* engine) const noexcept { engine->release(); }
};
using Engine = std::unique_ptr<abi::Engine, Release>;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void require(Code code, const char* call, const abi::Error& error) {
  if (code != Code::kOk)
    give_up(std::string(call) + ": code " + std::to_string(static_cast<int>(code)) + ": " + error.text);
}

std::size_t size_of(const abi::TensorInfo& info) {
  constexpr std::size_t kSizes[] = {4, 2, 1, 1, 4, 8};  // by abi::DType
  std::size_t size_bytes = kSizes[static_cast<std::size_t>(info.dtype)];
  for (std::int32_t i = 0; i < info.rank; ++i) size_bytes *= static_cast<std::size_t>(info.shape[i]);
  return size_bytes;
}

void print(std::FILE* report, const char* kind, const abi::TensorInfo& info) {
  std::fprintf(report, "%s %s %d", kind, info.name, static_cast<int>(info.dtype));
  for (std::int32_t i = 0; i < info.rank; ++i) std::fprintf(report, " %lld", static_cast<long long>(info.shape[i]));
  std::fprintf(report, "\n");
}

Engine open_engine(const char* module, const char* model) {
  void* const library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) give_up(dlerror());
  const auto entry = reinterpret_cast<abi::EntryPoint>(dlsym(library, abi::kEntryPointName));
  if (entry == nullptr) give_up("the module has no entry point");
  abi::Error error;
  abi::Backend* const backend = entry(abi::kVersion, &error);
  if (backend == nullptr) give_up(error.text);
  abi::EngineSpec spec;
  spec.model_path = model;
  abi::Engine* opened = nullptr;
  require(backend->open_engine(spec, &opened, &error), "open_engine", error);
  return Engine(opened);
}

class Runs {
 public:
  Runs(abi::Engine& engine, std::string folder) : engine_(engine), folder_(std::move(folder)) {
    slots_.resize(static_cast<std::size_t>(engine.depth()));
  }

  /// Takes the slot whose turn it is, after what was in it has ended.
  void add(const char* file) {
    Slot& slot = slots_[next_ % slots_.size()];
    finish(slot);
    std::ifstream stream(file, std::ios::binary);
    slot.bytes.assign(std::istreambuf_iterator<char>(stream), {});
    std::vector<abi::Tensor> in;
    std::size_t at = 0;
    for (std::size_t i = 0; i < engine_.input_count(); ++i) {
      const abi::TensorInfo& info = *engine_.input(i);
      abi::Tensor& tensor = in.emplace_back();
      tensor.data = slot.bytes.data() + at;
      tensor.size_bytes = size_of(info);
      tensor.rank = info.rank;
      tensor.dtype = info.dtype;
      std::copy(std::begin(info.shape), std::end(info.shape), std::begin(tensor.shape));
      at += tensor.size_bytes;
    }
    if (at != slot.bytes.size()) give_up(std::string(file) + ": expected " + std::to_string(at) + " bytes");
    abi::Error error;
    slot.run = static_cast<std::int64_t>(next_++);
    require(engine_.submit(number_of(slot), in.data(), in.size(), &error), "submit", error);
  }

  /// False if a run has failed.
  bool finish() {
    for (std::size_t i = 0; i < slots_.size(); ++i) finish(slots_[next_++ % slots_.size()]);
    return !has_failed_;
  }

 private:
  struct Slot {
    std::int64_t run = -1;  // -1: free
    std::vector<char> bytes;
  };

  std::int32_t number_of(const Slot& slot) const { return static_cast<std::int32_t>(&slot - slots_.data()); }

  void finish(Slot& slot) {
    if (slot.run < 0) return;
    std::vector<abi::Tensor> out(engine_.output_count());
    abi::Error error;
    const std::string run = std::to_string(std::exchange(slot.run, -1));
    if (Code code = engine_.wait(number_of(slot), out.data(), out.size(), &error); code != Code::kOk) {
      std::fprintf(stderr, "run %s: code %d: %s\n", run.c_str(), static_cast<int>(code), error.text);
      has_failed_ = true;  // but the others have their own end
      return;
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      std::ofstream file(folder_ + "/" + run + "." + std::to_string(i), std::ios::binary);
      file.write(static_cast<const char*>(out[i].data), static_cast<std::streamsize>(out[i].size_bytes));
    }
  }

  abi::Engine& engine_;
  std::string folder_;
  std::vector<Slot> slots_;
  std::size_t next_ = 0;
  bool has_failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) give_up("usage: edgecore-tensors MODULE MODEL OUTDIR INPUT...");
  std::FILE* const report = fdopen(dup(STDOUT_FILENO), "w");
  dup2(STDERR_FILENO, STDOUT_FILENO);  // vendors' libraries print
  const Engine engine = open_engine(argv[1], argv[2]);
  for (std::size_t i = 0; i < engine->input_count(); ++i) print(report, "input", *engine->input(i));
  for (std::size_t i = 0; i < engine->output_count(); ++i) print(report, "output", *engine->output(i));
  Runs runs(*engine, argv[3]);
  for (int i = 4; i < argc; ++i) runs.add(argv[i]);
  if (!runs.finish()) return 1;
  const abi::CopyCounts copies = engine->copies();
  std::fprintf(report, "copies %llu %llu %llu %llu\n", static_cast<unsigned long long>(copies.to_device),
               static_cast<unsigned long long>(copies.to_device_bytes), static_cast<unsigned long long>(copies.to_host),
               static_cast<unsigned long long>(copies.to_host_bytes));
  return std::fclose(report) == 0 ? 0 : 1;
}
