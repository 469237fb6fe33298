// Slots, prepared pictures, copies and decoders of the seam, on the fake module's queue of three.
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "edgecore/decoder.h"
#include "edgecore/model.h"
#include "fake_modules.h"
#include "pictures.h"
#include "scratch.h"

namespace edgecore {
namespace {

using Picture = std::array<float, 48>;

Picture picture(float value) {
  Picture values;
  values.fill(value);
  return values;
}

TensorView view(const Picture& values) { return {values.data(), DType::kFloat32, {1, 3, 4, 4}, Place::kHost}; }

Engine open_queue(const std::string& words = "") {
  const test::ScratchFolder folder;
  EngineRequest request;
  request.model = folder.write("model", "queue " + words);
  Result<Engine> engine = test::fake_backend("fake").open_engine(request);
  REQUIRE_MESSAGE(engine.ok(), engine.error().message);
  return *std::move(engine);
}

InputDescription input_4x4() {
  InputDescription input;
  input.width_px = input.height_px = 4;
  return input;
}

Frame gray(int level) {
  const test::Look look{PixelLayout::kGray, 0, 0, ColorMatrix::kBt601, ColorRange::kFull, ChromaSiting::kLeft};
  return test::make_frame(4, 4, look, [&](int, std::int32_t, std::int32_t) { return level; });
}

/// The queue's answer: the first value of what it was given.
float score_of(const Result<std::vector<TensorView>>& outputs) {
  REQUIRE_MESSAGE(outputs.ok(), outputs.error().message);
  return outputs->front().floats()[4];
}

TEST_CASE("runs are waited for in any order, and each gives its own") {
  Engine engine = open_queue();
  REQUIRE(engine.depth() == 3);
  const std::array<Picture, 3> in{picture(1), picture(2), picture(3)};
  for (std::int32_t slot = 0; slot < 3; ++slot) {
    REQUIRE(engine.submit(slot, {view(in[static_cast<std::size_t>(slot)])}).ok());
  }
  const auto last = engine.wait(2);
  const auto first = engine.wait(0);
  const auto middle = engine.wait(1);
  CHECK(score_of(first) == 1);
  CHECK(score_of(middle) == 2);
  CHECK(score_of(last) == 3);
}

TEST_CASE("slots are minded: none twice, none that there is not, no run() between") {
  Engine engine = open_queue();
  const Picture in = picture(1);
  const auto refused = [](const auto& result) {
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == Code::kInvalidArgument);
    return result.error().message;
  };
  CHECK(refused(engine.wait(0)) == "slot 0: no run is open in it");
  CHECK(refused(engine.wait(3)) == "slot 3: expected 0 to 2");
  CHECK(refused(engine.submit(-1, {view(in)})) == "slot -1: expected 0 to 2");
  CHECK(refused(engine.submit(0, {})) == "inputs: expected 1, found 0");
  REQUIRE(engine.submit(0, {view(in)}).ok());
  CHECK(refused(engine.submit(0, {view(in)})) == "slot 0: a run is open in it, which has to be waited for");
  CHECK(refused(engine.prepare(0, gray(1), input_4x4())) == "slot 0: a run is open in it, which has to be waited for");
  CHECK(refused(engine.run({view(in)})) == "run: a slot is open");
  CHECK(score_of(engine.wait(0)) == 1);
  CHECK(refused(engine.wait(0)) == "slot 0: no run is open in it");
  CHECK(score_of(engine.run({view(in)})) == 1);
}

TEST_CASE("a run that fails to start or to end leaves its slot free") {
  Engine engine = open_queue("refuses-1 fails-at-1");
  const Picture in = picture(5);
  const Status refused = engine.submit(0, {view(in)});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message == "inference: submit 1 refused");
  REQUIRE(engine.submit(0, {view(in)}).ok());
  const auto failed = engine.wait(0);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == Code::kSdk);
  REQUIRE(engine.submit(0, {view(in)}).ok());
  CHECK(score_of(engine.wait(0)) == 5);
}

TEST_CASE("an engine that goes away ends its open runs first") {
  const Picture in = picture(1);
  Engine engine = open_queue();  // release() with an open run aborts
  REQUIRE(engine.submit(1, {view(in)}).ok());
  const Engine moved = std::move(engine);
}

TEST_CASE("a blocking engine has one slot and the same manners") {
  const test::ScratchFolder folder;
  EngineRequest request;
  request.model = folder.write("model", "echo");
  Result<Engine> engine = test::fake_backend("fake").open_engine(request);
  REQUIRE(engine.ok());
  REQUIRE(engine->depth() == 1);
  const std::array<float, 2> data{1, 2};
  REQUIRE(engine->submit(0, {TensorView{data.data(), DType::kFloat32, {1, 2}, Place::kHost}}).ok());
  const auto out = engine->wait(0);
  REQUIRE(out.ok());
  CHECK(out->front().floats()[1] == 2);
  CHECK(engine->copies().to_device == 0);
  const Result<TensorView> prepared = engine->prepare(0, gray(1), input_4x4());
  REQUIRE_FALSE(prepared.ok());
  CHECK(prepared.error().code == Code::kUnsupported);
}

TEST_CASE("a prepared picture goes in where it lies") {
  Engine engine = open_queue("device counting");
  InputDescription input = input_4x4();
  input.mean = {10, 10, 10};
  input.scale = {0.5F, 0.5F, 0.5F};
  const Result<TensorView> prepared = engine.prepare(1, gray(50), input);
  REQUIRE_MESSAGE(prepared.ok(), prepared.error().message);
  CHECK(prepared->place == Place::kDevice);
  CHECK(prepared->shape == Shape{1, 3, 4, 4});
  REQUIRE(engine.submit(1, {*prepared}).ok());
  CHECK(score_of(engine.wait(1)) == 20);
  CHECK(engine.copies().to_device == 0);
  const Picture in = picture(1);
  CHECK(score_of(engine.run({view(in)})) == 1);
  CHECK(engine.copies().to_device == 1);
  CHECK(engine.copies().to_device_bytes == sizeof in);
}

TEST_CASE("a module that lies about device tensors is not believed") {
  const struct {
    const char* words;
    const char* told;
  } rows[] = {{"device short", "preprocessing of frame 0: the backend's shape and size do not agree"},
              {"device misplaced",
               "preprocessing of frame 0: the backend puts it in a place that is neither host nor device memory"},
              {"device square", "preprocessing of frame 0: the backend made float32 1x3x8x2, expected float32 1x3x4x4"}};
  for (const auto& row : rows) {
    CAPTURE(row.words);
    Engine engine = open_queue(row.words);
    const Result<TensorView> prepared = engine.prepare(0, gray(1), input_4x4());
    REQUIRE_FALSE(prepared.ok());
    CHECK(prepared.error().code == Code::kInternal);
    CHECK(prepared.error().message == row.told);
  }
}

TEST_CASE("outputs in device memory are refused unless asked for") {
  Engine engine = open_queue("leaves-outputs");
  const Picture in = picture(7);
  const auto refused = engine.run({view(in)});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kInternal);
  CHECK(refused.error().message == "output 'y': the backend leaves it in device memory, where it was not asked for");
  REQUIRE(engine.submit(0, {view(in)}).ok());
  CHECK_FALSE(engine.wait(0).ok());
  const auto asked = engine.run({view(in)}, Outputs::kAnywhere);
  REQUIRE(asked.ok());
  CHECK(asked->front().place == Place::kDevice);
}

Decoder open_decoder() {
  Result<Decoder> decoder = test::fake_backend("fake").open_decoder(Codec::kJpeg, 0);
  REQUIRE_MESSAGE(decoder.ok(), decoder.error().message);
  return *std::move(decoder);
}

Status push(Decoder& decoder, const std::string& unit) { return decoder.push(unit.data(), unit.size(), 77); }

TEST_CASE("decoded pictures lie on the device, come to the host when asked, and outlive their decoder") {
  Frame frame;
  {
    Decoder decoder = open_decoder();
    REQUIRE(push(decoder, "6x5 90").ok());
    Result<std::optional<Frame>> pulled = decoder.pull();
    REQUIRE(pulled.ok());
    REQUIRE(pulled->has_value());
    frame = **pulled;
    CHECK_FALSE(decoder.pull()->has_value());
  }
  CHECK(frame.place == Place::kDevice);
  CHECK(frame.pts_us == 77);
  const Result<Frame> host = to_host(frame);
  frame = {};  // recycled, and the decoder with it: it aborts if it was released before
  REQUIRE_MESSAGE(host.ok(), host.error().message);
  CHECK(host->place == Place::kHost);
  const Frame expected = test::make_frame(6, 5, {PixelLayout::kGray, 0, 0}, [](int, auto, auto) { return 90; });
  CHECK(digest(*host) == digest(expected));
}

TEST_CASE("a decoder's failures are told, and pictures that cannot be are refused and given back") {
  Decoder decoder = open_decoder();
  CHECK(push(decoder, "nonsense").error().message == "decoder: not a picture");
  const struct {
    const char* unit;
    const char* told;
  } rows[] = {{"0x5 1", "it is empty"},
              {"70000x1 1", "it is larger than 65536 pixels a side"},
              {"4x4 1!", "its pixel layout is unknown"}};
  for (const auto& row : rows) {
    REQUIRE(push(decoder, row.unit).ok());
    const Result<std::optional<Frame>> pulled = decoder.pull();
    REQUIRE_FALSE(pulled.ok());
    CHECK(pulled.error().code == Code::kInternal);
    CHECK(pulled.error().message == std::string("the backend gives a picture that cannot be: ") + row.told);
  }
  REQUIRE(push(decoder, "4x4 13").ok());
  const Result<Frame> refused = to_host(**decoder.pull());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message == "frame 0: copy to the host: download refused");
}

TEST_CASE("a backend that decodes nothing of the kind says so") {
  const Result<Decoder> decoder = test::fake_backend("fake").open_decoder(Codec::kH265, 0);
  REQUIRE_FALSE(decoder.ok());
  CHECK(decoder.error().code == Code::kUnsupported);
  CHECK(decoder.error().message == "backend 'fake': fake decodes no pictures");
}

TEST_CASE("what a backend knows of a model file without its vendor") {
  const test::ScratchFolder folder;
  const Backend fake = test::fake_backend("fake");
  CHECK(fake.check_model(folder.write("good", "queue")).ok());
  CHECK(fake.check_model(folder.write("bad", "headless")).error().code == Code::kCorrupt);
  CHECK(fake.check_model(folder.path() / "none").error().code == Code::kNotFound);
  CHECK(fake.survives_bad_models());
  CHECK_FALSE(test::fake_backend("frail").survives_bad_models());
}

}  // namespace
}  // namespace edgecore
