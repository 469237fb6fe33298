// The model that every backend brings to the contract: y = 2 * x + 1 on float32 1x4.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contract.h"

namespace edgecore::contract {

using Row = std::array<float, 4>;

inline TensorView view(const Row& row) { return {row.data(), DType::kFloat32, {1, 4}, Place::kHost}; }

inline Row row_of(const TensorView& tensor) {
  Row row{};
  REQUIRE(tensor.size_bytes() == sizeof row);
  std::copy_n(tensor.floats(), row.size(), row.begin());
  return row;
}

inline Engine open_affine(const std::string& name) {
  Result<Backend> backend = open_backend(name, places().modules);
  REQUIRE_MESSAGE(backend.ok(), backend.error().message);
  EngineRequest request;
  request.model = affine_model(name);
  Result<Engine> engine = backend->open_engine(request);
  REQUIRE_MESSAGE(engine.ok(), engine.error().message);
  return *std::move(engine);
}

inline TensorView run(Engine& engine, const Row& row) {
  Result<std::vector<TensorView>> out = engine.run({view(row)});
  REQUIRE_MESSAGE(out.ok(), out.error().message);
  REQUIRE(out->size() == 1);
  return out->front();
}

constexpr Row kX{-1.0F, 0.0F, 0.5F, 8.0F};
constexpr Row kY{-1.0F, 1.0F, 2.0F, 17.0F};  // exact in every float format a vendor computes in

/// The module's own engine, without the core's checks around it.
struct ReleaseRaw {
  void operator()(abi::Engine* engine) const noexcept { engine->release(); }
};
using RawEngine = std::unique_ptr<abi::Engine, ReleaseRaw>;

inline RawEngine open_raw_affine(const std::string& name) {
  abi::Error error;
  abi::Backend* backend = entry_point(name)(abi::kVersion, &error);
  REQUIRE_MESSAGE(backend != nullptr, error.text);
  const std::filesystem::path model = affine_model(name);
  abi::EngineSpec spec;
  spec.model_path = model.c_str();
  abi::Engine* engine = nullptr;
  REQUIRE(backend->open_engine(spec, &engine, nullptr) == Code::kOk);
  REQUIRE(engine != nullptr);
  return RawEngine(engine);
}

inline abi::Tensor raw_tensor(Row& row) {
  abi::Tensor tensor;
  tensor.data = row.data();
  tensor.size_bytes = sizeof row;
  tensor.shape[0] = 1;
  tensor.shape[1] = 4;
  tensor.rank = 2;
  return tensor;
}

}  // namespace edgecore::contract
