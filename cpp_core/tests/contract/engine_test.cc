// Promises of an opened model: right numbers, shapes that are checked, memory that stays.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <thread>

#include "affine.h"

namespace edgecore::contract {
namespace {

TEST_CASE("a model says what goes in and what comes out") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const Engine engine = open_affine(name);
    REQUIRE(engine.inputs().size() == 1);
    REQUIRE(engine.outputs().size() == 1);
    CHECK_FALSE(engine.inputs()[0].name.empty());
    CHECK(engine.inputs()[0].shape == Shape{1, 4});
    CHECK(engine.inputs()[0].dtype == DType::kFloat32);
    CHECK(engine.outputs()[0].shape == Shape{1, 4});
    CHECK(engine.outputs()[0].dtype == DType::kFloat32);
  }
}

TEST_CASE("y = 2 * x + 1, run after run") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    Engine engine = open_affine(name);
    CHECK(row_of(run(engine, kX)) == kY);
    CHECK(row_of(run(engine, {1.0F, 2.0F, 3.0F, 4.0F})) == Row{3.0F, 5.0F, 7.0F, 9.0F});
    CHECK(row_of(run(engine, kX)) == kY);
  }
}

TEST_CASE("inputs of another count, type or shape are refused and the engine goes on") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    Engine engine = open_affine(name);
    const Row row = kX;
    const TensorView good = view(row);
    TensorView flat = good;
    flat.shape = {4};
    TensorView longer = good;
    longer.shape = {1, 5};
    TensorView integers = good;
    integers.dtype = DType::kInt32;
    TensorView nothing = good;
    nothing.data = nullptr;
    for (const std::vector<TensorView>& in : {std::vector<TensorView>{}, {good, good}, {flat}, {longer}, {integers}, {nothing}}) {
      const Result<std::vector<TensorView>> out = engine.run(in);
      REQUIRE_FALSE(out.ok());
      CHECK(out.error().code == Code::kInvalidArgument);
      CHECK_FALSE(out.error().message.empty());
    }
    CHECK(row_of(run(engine, kX)) == kY);
  }
}

TEST_CASE("the module itself refuses inputs of another count, type, shape or size, with or without room for the reason") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    const RawEngine engine = open_raw_affine(name);
    Row row = kX;
    const abi::Tensor good = raw_tensor(row);
    abi::Tensor flat = good, longer = good, endless = good, integers = good, unknown = good, shorter = good, nothing = good;
    flat.rank = 1;
    flat.shape[0] = 4;
    longer.shape[1] = 5;
    endless.rank = static_cast<std::int32_t>(abi::kMaxRank) + 1;
    integers.dtype = DType::kInt32;
    unknown.dtype = static_cast<DType>(77);
    shorter.size_bytes = 8;
    nothing.data = nullptr;

    const abi::Tensor pair[] = {good, good};
    std::array<abi::Tensor, 2> out;
    abi::Error error;
    for (const abi::Tensor& in : {flat, longer, endless, integers, unknown, shorter, nothing}) {
      error = {};
      CHECK(engine->run(&in, 1, out.data(), 1, &error) == Code::kInvalidArgument);
      CHECK(error.code == Code::kInvalidArgument);
      CHECK(error.text[0] != '\0');
      CHECK(engine->run(&in, 1, out.data(), 1, nullptr) == Code::kInvalidArgument);
    }
    CHECK(engine->run(nullptr, 0, out.data(), 1, nullptr) == Code::kInvalidArgument);
    CHECK(engine->run(pair, 2, out.data(), 1, nullptr) == Code::kInvalidArgument);
    CHECK(engine->run(&good, 1, out.data(), 2, nullptr) == Code::kInvalidArgument);

    REQUIRE(engine->run(&good, 1, out.data(), 1, nullptr) == Code::kOk);
    REQUIRE(out[0].size_bytes == sizeof(Row));
    CHECK(std::equal(kY.begin(), kY.end(), static_cast<const float*>(out[0].data)));
  }
}

TEST_CASE("outputs stay valid until the next run, whatever becomes of the input and of other engines") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    Engine one = open_affine(name);
    Engine other = open_affine(name);
    Row row = kX;
    const TensorView kept = run(one, row);
    row.fill(1000.0F);
    CHECK(row_of(run(other, row)) == Row{2001.0F, 2001.0F, 2001.0F, 2001.0F});
    { const Engine passing = open_affine(name); }
    CHECK(row_of(kept) == kY);
  }
}

TEST_CASE("an engine may be moved") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    Engine first = open_affine(name);
    Engine second = std::move(first);
    CHECK(row_of(run(second, kX)) == kY);
  }
}

TEST_CASE("engines run side by side, one thread each") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    std::array<int, 2> right{};
    const auto work = [](Engine& engine, float x, int& count) {
      const Row row{x, x, x, x};
      for (int i = 0; i < 50; ++i) {
        const Result<std::vector<TensorView>> out = engine.run({view(row)});
        if (out.ok() && out->front().floats()[3] == 2 * x + 1) ++count;
      }
    };
    Engine one = open_affine(name);
    Engine other = open_affine(name);
    std::thread thread(work, std::ref(one), 3.0F, std::ref(right[0]));
    work(other, 5.0F, right[1]);
    thread.join();
    CHECK(right == std::array<int, 2>{50, 50});
  }
}

}  // namespace
}  // namespace edgecore::contract
