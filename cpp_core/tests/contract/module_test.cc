// Promises of the module as a library: before any model is good.

#include <doctest/doctest.h>

#include <dlfcn.h>

#include "contract.h"
#include "edgecore/decoder.h"

namespace edgecore::contract {
namespace {

void check_refused(const Answer& answer) {
  CHECK(answer.code != Code::kOk);
  CHECK_FALSE(answer.text.empty());
  CHECK_FALSE(answer.gave_engine);
}

/// The file of the object that a lookup through `library` ends in; empty if nothing has the symbol.
std::string owner_of(void* library, const char* symbol) {
  void* address = dlsym(library, symbol);
  Dl_info info{};
  return address != nullptr && dladdr(address, &info) != 0 ? info.dli_fname : "";
}

TEST_CASE("a module opens under its file's name and says what it runs on") {
  for (const std::string& name : backends()) {
    CAPTURE(name);
    const Result<Backend> backend = open_backend(name, places().modules);
    REQUIRE_MESSAGE(backend.ok(), backend.error().message);
    CHECK(backend->name() == name);
    CHECK_FALSE(backend->runtime().empty());
    CHECK(backend->device_count() >= 1);
  }
}

TEST_CASE("a module refuses a seam of another version, with or without room for the reason") {
  for (const std::string& name : backends()) {
    CAPTURE(name);
    const abi::EntryPoint entry = entry_point(name);
    abi::Error error;
    CHECK(entry(abi::kVersion + 1, &error) == nullptr);
    CHECK(error.code == Code::kUnsupported);
    CHECK(std::string(error.text).find(std::to_string(abi::kVersion + 1)) != std::string::npos);
    CHECK(entry(abi::kVersion + 1, nullptr) == nullptr);
  }
}

TEST_CASE("a module keeps its C++ runtime to itself") {
  for (const std::string& name : backends()) {
    CAPTURE(name);
    void* library = open_library(name);
    const std::string file = module_file(name).string();
    CHECK(owner_of(library, abi::kEntryPointName) == file);
    for (const char* symbol : {"_Znwm", "_ZdlPv", "__cxa_throw", "_ZTISt9exception"}) {
      CAPTURE(symbol);
      CHECK(owner_of(library, symbol) != file);
    }
  }
}

TEST_CASE("a module that brings no model to the suite says of every model that it runs none, and decodes") {
  for (const std::string& name : backends()) {
    if (has_model(name)) continue;
    CAPTURE(name);
    for (const std::string& bytes : garbage()) {
      const ModelFile file(bytes);
      const Answer answer = open_raw(name, file.path());
      check_refused(answer);
      CHECK(answer.code == Code::kUnsupported);
    }
    const Result<Backend> backend = open_backend(name, places().modules);
    REQUIRE_MESSAGE(backend.ok(), backend.error().message);
    CHECK_FALSE(backend->check_model(name).ok());
    int decoders = 0;
    for (const Codec codec : {Codec::kJpeg, Codec::kH264, Codec::kH265}) {
      const Result<Decoder> decoder = backend->open_decoder(codec, 0);
      if (decoder.ok()) ++decoders;
    }
    CHECK(decoders >= 1);
  }
}

TEST_CASE("a missing model is not found, with or without room for the reason") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const Answer answer = open_raw(name, "/nonexistent/model");
    check_refused(answer);
    CHECK(answer.code == Code::kNotFound);

    abi::EngineSpec spec;
    spec.model_path = "/nonexistent/model";
    abi::Engine* engine = nullptr;
    CHECK(entry_point(name)(abi::kVersion, nullptr)->open_engine(spec, &engine, nullptr) == Code::kNotFound);
    CHECK(engine == nullptr);
  }
}

TEST_CASE("a folder in place of a model is an error") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    check_refused(open_raw(name, std::filesystem::temp_directory_path()));
  }
}

TEST_CASE("bytes that are no model are corrupt") {
  for (const std::string& name : engine_backends()) {
    for (const std::string& bytes : garbage()) {
      CAPTURE(name);
      CAPTURE(bytes.size());
      const ModelFile file(bytes);
      const Answer answer = open_raw(name, file.path());
      check_refused(answer);
      CHECK(answer.code == Code::kCorrupt);
    }
  }
}

TEST_CASE("a model that breaks off is corrupt") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const std::string whole = read_file(affine_model(name));
    for (const std::size_t percent : {1U, 10U, 25U, 50U, 75U, 90U, 99U}) {
      CAPTURE(percent);
      const ModelFile file(whole.substr(0, whole.size() * percent / 100));
      const Answer answer = open_raw(name, file.path());
      check_refused(answer);
      CHECK(answer.code == Code::kCorrupt);
    }
  }
}

TEST_CASE("an option nobody knows is refused by name") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const Answer answer = open_raw(name, affine_model(name), {{"no_such_option", "1"}});
    check_refused(answer);
    CHECK(answer.code == Code::kInvalidArgument);
    CHECK(answer.text.find("no_such_option") != std::string::npos);
  }
}

}  // namespace
}  // namespace edgecore::contract
