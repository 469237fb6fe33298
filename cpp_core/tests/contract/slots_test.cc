// Promises of the seam's second version: runs in flight, pictures, decoders, and a model's check before its loader.

#include <doctest/doctest.h>

#include "affine.h"

namespace edgecore::contract {
namespace {

TEST_CASE("every slot gives its own run's numbers, whatever the order they are waited for in") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    Engine engine = open_affine(name);
    REQUIRE(engine.depth() >= 1);
    const std::int32_t depth = engine.depth();
    std::vector<Row> rows;
    for (std::int32_t slot = 0; slot < depth; ++slot) rows.push_back({static_cast<float>(slot), 1, 2, 3});
    for (int round = 0; round < 3; ++round) {
      for (std::int32_t slot = 0; slot < depth; ++slot) {
        const Status started = engine.submit(slot, {view(rows[static_cast<std::size_t>(slot)])});
        REQUIRE_MESSAGE(started.ok(), started.error().message);
      }
      for (std::int32_t slot = depth - 1; slot >= 0; --slot) {
        CAPTURE(slot);
        const Result<std::vector<TensorView>> out = engine.wait(slot);
        REQUIRE_MESSAGE(out.ok(), out.error().message);
        CHECK(row_of(out->front()) == Row{2 * static_cast<float>(slot) + 1, 3, 5, 7});
      }
    }
    CHECK(row_of(run(engine, kX)) == kY);
  }
}

TEST_CASE("outputs of a slot stay until its next submit, whatever the other slots do") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    Engine engine = open_affine(name);
    if (engine.depth() < 2) continue;
    REQUIRE(engine.submit(0, {view(kX)}).ok());
    const Result<std::vector<TensorView>> kept = engine.wait(0);
    REQUIRE(kept.ok());
    const Row other{5, 5, 5, 5};
    REQUIRE(engine.submit(1, {view(other)}).ok());
    CHECK(row_of(engine.wait(1)->front()) == Row{11, 11, 11, 11});
    CHECK(row_of(kept->front()) == kY);
  }
}

TEST_CASE("an engine may go away with a run open") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    Engine engine = open_affine(name);
    REQUIRE(engine.submit(0, {view(kX)}).ok());
  }
}

TEST_CASE("the module itself refuses a submit of another shape, and the slot goes on") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const RawEngine engine = open_raw_affine(name);
    Row row = kX;
    const abi::Tensor good = raw_tensor(row);
    abi::Tensor flat = good;
    flat.rank = 1;
    flat.shape[0] = 4;
    abi::Tensor out;
    // A blocking engine may tell it with the wait.
    const Code started = engine->submit(0, &flat, 1, nullptr);
    CHECK((started != Code::kOk || engine->wait(0, &out, 1, nullptr) != Code::kOk));
    REQUIRE(engine->submit(0, &good, 1, nullptr) == Code::kOk);
    REQUIRE(engine->wait(0, &out, 1, nullptr) == Code::kOk);
    REQUIRE(out.size_bytes == sizeof(Row));
    CHECK(std::equal(kY.begin(), kY.end(), static_cast<const float*>(out.data)));
  }
}

TEST_CASE("a picture for a model that takes none is not supported, with or without room for the reason") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const RawEngine engine = open_raw_affine(name);
    std::array<unsigned char, 16> samples{};
    abi::Picture picture;
    picture.planes[0] = samples.data();
    picture.stride_bytes[0] = 4;
    picture.width_px = picture.height_px = 4;
    picture.layout = abi::PixelLayout::kGray;
    abi::PictureInput wish;
    wish.width_px = wish.height_px = wish.inner_width_px = wish.inner_height_px = 4;
    abi::Tensor input;
    abi::Error error;
    CHECK(engine->prepare(0, picture, wish, &input, &error) == Code::kUnsupported);
    CHECK(error.text[0] != '\0');
    CHECK(engine->prepare(0, picture, wish, &input, nullptr) == Code::kUnsupported);
    Row row = kX;
    const abi::Tensor good = raw_tensor(row);
    abi::Tensor out;
    CHECK(engine->run(&good, 1, &out, 1, nullptr) == Code::kOk);
  }
}

TEST_CASE("a codec that nobody knows is not supported") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    abi::Backend* const backend = entry_point(name)(abi::kVersion, nullptr);
    REQUIRE(backend != nullptr);
    abi::DecoderSpec spec;
    spec.codec = static_cast<abi::Codec>(99);
    abi::Decoder* decoder = nullptr;
    abi::Error error;
    CHECK(backend->open_decoder(spec, &decoder, &error) == Code::kUnsupported);
    CHECK(decoder == nullptr);
    CHECK(error.text[0] != '\0');
    CHECK(backend->open_decoder(spec, &decoder, nullptr) == Code::kUnsupported);
  }
}

TEST_CASE("a good model passes its check, and so it does again") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const Result<Backend> backend = open_backend(name, places().modules);
    REQUIRE_MESSAGE(backend.ok(), backend.error().message);
    for (int round = 0; round < 2; ++round) {
      const Status sound = backend->check_model(affine_model(name));
      CHECK_MESSAGE(sound.ok(), sound.error().message);
    }
  }
}

TEST_CASE("where the vendor's loader may end the process, garbage and what breaks off do not get there") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const Result<Backend> backend = open_backend(name, places().modules);
    REQUIRE_MESSAGE(backend.ok(), backend.error().message);
    if (backend->survives_bad_models()) continue;
    std::vector<std::string> files = garbage();
    const std::string whole = read_file(affine_model(name));
    for (const std::size_t percent : {1U, 10U, 25U, 50U, 75U, 90U, 99U}) {
      files.push_back(whole.substr(0, whole.size() * percent / 100));
    }
    for (const std::string& bytes : files) {
      CAPTURE(bytes.size());
      const ModelFile file(bytes);
      const Status sound = backend->check_model(file.path());
      REQUIRE_FALSE(sound.ok());
      CHECK((sound.error().code == Code::kCorrupt || sound.error().code == Code::kUnsupported));
    }
  }
}

}  // namespace
}  // namespace edgecore::contract
