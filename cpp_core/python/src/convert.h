// Between the core's types and Python's: errors, numpy arrays, frames. No copies.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <utility>

#include "edgecore/frame.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore::python {

namespace py = pybind11;

/// Raises edgecore.Error(code, message, hint). Needs the GIL.
[[noreturn]] void raise(const Error& error);

/// The value, or edgecore.Error. Needs the GIL.
template <typename T>
T value_or_raise(Result<T> result) {
  if (!result) raise(result.error());
  return *std::move(result);
}

/// Calls `work` without the GIL and gives its value, or raises its error with the GIL.
template <typename Work>
auto without_gil(Work&& work) {
  return value_or_raise([&] {
    const py::gil_scoped_release released;
    return std::forward<Work>(work)();
  }());
}

/// Read-only array on a tensor's memory; `owner` keeps that memory alive.
py::array as_array(const TensorView& view, const py::object& owner);

/// View on a C-contiguous array of a type the core knows; TypeError or ValueError for any other.
TensorView as_view(const py::array& array);

/// One read-only array per plane: [height, width], or [height, width, 2] for interleaved chroma.
py::tuple planes_of(const Frame& frame);

/// A frame on the memory of (y), (y, uv) or (y, u, v), uint8 with dense rows; it keeps the arrays alive.
/// The colour by its names in names.h.
Frame frame_from_planes(const py::args& arrays, const std::string& matrix, const std::string& range,
                        const std::string& siting);

}  // namespace edgecore::python
