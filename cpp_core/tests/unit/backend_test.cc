// Modules by name and the checks around a model, on the fake modules of tests/unit/modules/.
#include "edgecore/backend.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>

#include "fake_modules.h"
#include "scratch.h"

namespace edgecore {
namespace {

namespace fs = std::filesystem;

using test::fake_modules;

Result<Engine> open_fake(const fs::path& model, Options options = {}) {
  Result<Backend> backend = open_backend("fake", fake_modules());
  REQUIRE_MESSAGE(backend.ok(), backend.error().message);
  EngineRequest request;
  request.model = model;
  request.options = std::move(options);
  return backend->open_engine(request);
}

TEST_CASE("modules are named by their files") {
  const test::ScratchFolder folder;
  for (const char* file : {"libedgecore-b.so", "libedgecore-a.so", "libedgecore-.so", "libother.so", "libedgecore-c.so.1"}) {
    folder.write(file, "");
  }
  CHECK(list_backends(folder.path()) == std::vector<std::string>{"a", "b"});
  CHECK(list_backends(folder.path() / "nowhere").empty());
}

TEST_CASE("an unknown name says what is there") {
  const Result<Backend> backend = open_backend("fkae", fake_modules());
  REQUIRE_FALSE(backend.ok());
  CHECK(backend.error().code == Code::kNotFound);
  CHECK(backend.error().message.find("no backend named 'fkae'") != std::string::npos);
  const Result<Backend> far = open_backend("something-else", fake_modules());
  REQUIRE_FALSE(far.ok());
  CHECK(far.error().hint == "known: chatty, fake, frail, misnamed, mute, nameless, old, silent");
  const Result<Backend> outside = open_backend("../edgecore-unit/libedgecore-fake", fake_modules());
  REQUIRE_FALSE(outside.ok());
  CHECK(outside.error().code == Code::kNotFound);
}

TEST_CASE("a folder without modules says how to name another") {
  const test::ScratchFolder folder;
  const Result<Backend> backend = open_backend("cpu", folder.path());
  REQUIRE_FALSE(backend.ok());
  CHECK(backend.error().hint.find("EDGECORE_BACKENDS") != std::string::npos);
}

TEST_CASE("a module that is none is refused with the reason") {
  const struct {
    const char* name;
    Code code;
    const char* text;
  } rows[] = {{"misnamed", Code::kCorrupt, "calls itself 'other'"},
              {"mute", Code::kInternal, "libedgecore-mute.so: internal error"},
              {"nameless", Code::kCorrupt, "calls itself ''"},
              {"old", Code::kUnsupported, "the module speaks version 0"},
              {"silent", Code::kCorrupt, "exports no edgecore_backend"}};
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const Result<Backend> backend = open_backend(row.name, fake_modules());
    REQUIRE_FALSE(backend.ok());
    CHECK(backend.error().code == row.code);
    CHECK(backend.error().message.find(row.text) != std::string::npos);
  }
}

TEST_CASE("a module that does not load carries the loader's text") {
  const test::ScratchFolder folder;
  folder.write("libedgecore-text.so", "not an ELF file, but long enough to be looked at by the loader");
  const Result<Backend> backend = open_backend("text", folder.path());
  REQUIRE_FALSE(backend.ok());
  CHECK(backend.error().code == Code::kNotFound);
  CHECK(backend.error().message.find("cannot be loaded: ") != std::string::npos);
}

TEST_CASE("a model that is no file never reaches the module") {
  const test::ScratchFolder folder;
  for (const fs::path& model : {folder.path() / "none", folder.path()}) {
    const Result<Engine> engine = open_fake(model);
    REQUIRE_FALSE(engine.ok());
    CHECK(engine.error().code == Code::kNotFound);
    CHECK(engine.error().message == model.string() + ": no such model file");
  }
}

TEST_CASE("a module's refusal is told with the model's name, in UTF-8") {
  const test::ScratchFolder folder;
  const fs::path model = folder.write("m", "broken");
  const Result<Engine> engine = open_fake(model);
  REQUIRE_FALSE(engine.ok());
  CHECK(engine.error().code == Code::kCorrupt);
  CHECK(engine.error().message == model.string() + ": quoted from the model: \xEF\xBF\xBD!");
}

TEST_CASE("options reach the module") {
  const test::ScratchFolder folder;
  const Result<Engine> engine = open_fake(folder.write("m", "echo"), {{"colour", "red"}});
  REQUIRE_FALSE(engine.ok());
  CHECK(engine.error().message.find("no option named 'colour'") != std::string::npos);
}

TEST_CASE("inputs are checked against the model before it runs") {
  const test::ScratchFolder folder;
  Result<Engine> engine = open_fake(folder.write("m", "echo"));
  REQUIRE(engine.ok());
  const std::array<float, 6> data{1, 2, 3, 4, 5, 6};
  const auto view = [&](DType dtype, Shape shape) { return TensorView{data.data(), dtype, std::move(shape), Place::kHost}; };

  const auto out = engine->run({view(DType::kFloat32, {3, 2})});  // the first size is free
  REQUIRE(out.ok());
  CHECK(out->front().floats()[5] == 6.0F);
  CHECK(out->front().shape == Shape{3, 2});

  const struct {
    std::vector<TensorView> in;
    const char* message;
  } rows[] = {
      {{}, "inputs: expected 1, found 0"},
      {{view(DType::kFloat32, {2, 3})}, "input 'x': expected float32 ?x2, found float32 2x3"},
      {{view(DType::kFloat32, {2})}, "input 'x': expected float32 ?x2, found float32 2"},
      {{view(DType::kInt32, {3, 2})}, "input 'x': expected float32 ?x2, found int32 3x2"},
      {{view(DType::kFloat32, {-1, 2})}, "input 'x': expected float32 ?x2, found float32 ?x2"},
      {{TensorView{nullptr, DType::kFloat32, {3, 2}, Place::kHost}}, "input 'x': has no data"},
  };
  for (const auto& row : rows) {
    const auto refused = engine->run(row.in);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::kInvalidArgument);
    CHECK(refused.error().message == row.message);
  }
}

TEST_CASE("an output whose size contradicts its shape is not read") {
  const test::ScratchFolder folder;
  Result<Engine> engine = open_fake(folder.write("m", "liar"));
  REQUIRE(engine.ok());
  const std::array<float, 2> data{1, 2};
  const auto out = engine->run({TensorView{data.data(), DType::kFloat32, {1, 2}, Place::kHost}});
  REQUIRE_FALSE(out.ok());
  CHECK(out.error().code == Code::kInternal);
}

TEST_CASE("what a module announces is checked when a model is opened") {
  const test::ScratchFolder folder;
  const struct {
    const char* flaw;
    Code code;
    const char* text;
  } rows[] = {{"nothing", Code::kInternal, "reports success but gives no engine"},
              {"rank", Code::kInternal, "input 0: the backend gives it 9 dimensions, expected 0 to 8"},
              {"depthless", Code::kInternal, "the backend's engine takes 0 runs at a time"},
              {"type", Code::kInternal, "output 0: the backend gives it an unknown type"},
              {"countless", Code::kInternal, "has 1 inputs and 18446744073709551615 outputs, expected at most 1024"},
              {"portless", Code::kInternal, "output 0: the backend does not describe it"},
              {"huge", Code::kUnsupported, "output 0: 'y' is float32 576460752303423488x2, at most 256 MiB"},
              {"large", Code::kUnsupported, "output 0: 'y' is float32 1099511627776x2, at most 256 MiB"}};
  for (const auto& row : rows) {
    CAPTURE(row.flaw);
    const Result<Engine> engine = open_fake(folder.write("m", row.flaw));
    REQUIRE_FALSE(engine.ok());
    CHECK(engine.error().code == row.code);
    CHECK(engine.error().message.find(row.text) != std::string::npos);
  }
  const Result<Engine> unterminated = open_fake(folder.write("m", "unterminated"));
  REQUIRE(unterminated.ok());
  CHECK(unterminated->inputs()[0].name == std::string(abi::kMaxName, 'n'));
}

TEST_CASE("modules are looked for beside the program, or where EDGECORE_BACKENDS says") {
  CHECK(backend_directory().filename() == "edgecore");
  CHECK(backend_directory().parent_path().filename() == "lib");
  setenv("EDGECORE_BACKENDS", "/opt/modules", 1);
  CHECK(backend_directory() == "/opt/modules");
  setenv("EDGECORE_BACKENDS", "", 1);
  CHECK(backend_directory().filename() == "edgecore");
  unsetenv("EDGECORE_BACKENDS");
}

}  // namespace
}  // namespace edgecore
