// A described model on one backend, as Python sees it.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "edgecore/input.h"
#include "edgecore/model.h"
#include "edgecore/postprocess.h"
#include "edgecore/preprocess.h"

namespace edgecore::python {

namespace py = pybind11;

/// The core wants one thread at a time and Python may bring several: calls queue on the mutex, which is
/// always taken without the GIL.
class Model {
 public:
  static std::unique_ptr<Model> open(const std::filesystem::path& yaml, const std::string& backend,
                                     std::int32_t threads);

  /// (array, placement); the array is the caller's.
  py::tuple preprocess(const Frame& frame) const;

  /// owner: the Python object of this model, which the views returned without `copy` keep alive.
  static py::dict run(const py::object& owner, const py::dict& inputs, bool copy);

  /// The picture becomes the input where the engine's memory is if it can, as in a Pipeline.
  std::vector<Detection> detect(const Frame& frame);

  const ModelDescription& description() const noexcept { return description_; }
  const Engine& engine() const noexcept { return engine_; }

 private:
  Model(ModelDescription description, Engine engine);
  std::vector<py::array> order_inputs(const py::dict& inputs) const;

  ModelDescription description_;
  TensorBuffer on_cpu_;  // for inputs that the CPU makes; before the engine, which may still read it
  Engine engine_;
  InputMaker maker_;
  std::mutex mutex_;
};

}  // namespace edgecore::python
