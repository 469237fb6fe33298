#include "convert.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "names.h"

namespace edgecore::python {
namespace {

py::dtype dtype_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return py::dtype("float32");
    case DType::kFloat16: return py::dtype("float16");
    case DType::kInt8: return py::dtype("int8");
    case DType::kUInt8: return py::dtype("uint8");
    case DType::kInt32: return py::dtype("int32");
    case DType::kInt64: return py::dtype("int64");
  }
  throw py::type_error("a tensor of a type that numpy does not know");
}

DType dtype_of(const py::array& array) {
  for (const DType dtype :
       {DType::kFloat32, DType::kFloat16, DType::kInt8, DType::kUInt8, DType::kInt32, DType::kInt64}) {
    if (array.dtype().equal(dtype_of(dtype))) return dtype;
  }
  throw py::type_error("array of " + std::string(py::str(array.dtype())) +
                       ": expected float32, float16, int8, uint8, int32 or int64");
}

py::array read_only(py::array array) {
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

/// A plane's pixels may be written by nobody, and outlive the frame object they came from.
py::array plane_array(const Frame& frame, std::size_t index, const py::capsule& owner) {
  const Plane& plane = frame.planes[index];
  const py::ssize_t height = index == 0 ? frame.height_px : frame.chroma_height_px();
  const py::ssize_t width = index == 0 ? frame.width_px : frame.chroma_width_px();
  const py::ssize_t stride = plane.stride_bytes;
  if (index == 1 && frame.layout == PixelLayout::kSemiPlanar) {
    return read_only(py::array(py::dtype("uint8"), {height, width, py::ssize_t{2}}, {stride, py::ssize_t{2}, py::ssize_t{1}},
                               plane.data, owner));
  }
  return read_only(py::array(py::dtype("uint8"), {height, width}, {stride, py::ssize_t{1}}, plane.data, owner));
}

std::size_t plane_count(PixelLayout layout) noexcept {
  switch (layout) {
    case PixelLayout::kGray: return 1;
    case PixelLayout::kSemiPlanar: return 2;
    case PixelLayout::kPlanar: return 3;
  }
  return 0;
}

/// The core counts rows and their bytes in 32 bits.
void check_size(const py::array& plane, const char* name) {
  constexpr py::ssize_t kMax = std::numeric_limits<std::int32_t>::max();
  if (plane.size() > 0 && plane.shape(0) <= kMax && plane.strides(0) <= kMax) return;
  throw py::value_error(std::string(name) + ": " + std::to_string(plane.shape(0)) + " rows of " +
                        std::to_string(plane.shape(1)) + " samples, " + std::to_string(plane.strides(0)) +
                        " bytes apart: expected 1.." + std::to_string(kMax) + " of each");
}

/// Checked for everything that the core takes on trust; rows that are dense are no longer than their distance.
py::array as_plane(const py::handle& object, const char* name, py::ssize_t dimensions) {
  if (!py::isinstance<py::array_t<std::uint8_t>>(object)) throw py::type_error(std::string(name) + ": expected a uint8 array");
  py::array array = py::reinterpret_borrow<py::array>(object);
  const bool shaped = array.ndim() == dimensions && (dimensions == 2 || array.shape(2) == 2);
  if (shaped) check_size(array, name);
  const bool rows_are_dense = shaped && array.strides(dimensions - 1) == 1 && (dimensions == 2 || array.strides(1) == 2) &&
                              array.strides(0) >= array.shape(1) * (dimensions - 1);
  if (rows_are_dense) return array;
  throw py::value_error(std::string(name) + ": expected " + (dimensions == 2 ? "[height, width]" : "[height, width, 2]") +
                        " with dense rows; numpy.ascontiguousarray makes them dense");
}

Plane plane_on(const py::array& array) {
  return {static_cast<const std::uint8_t*>(array.data()), static_cast<std::int32_t>(array.strides(0))};
}

/// 0 when chroma is as large as luma, 1 when it is half of it, rounded up.
std::uint8_t chroma_shift(py::ssize_t luma, py::ssize_t chroma, const char* axis) {
  if (chroma == luma) return 0;
  if (chroma == (luma + 1) / 2) return 1;
  throw py::value_error(std::string("chroma ") + axis + " is " + std::to_string(chroma) + ", expected " +
                        std::to_string(luma) + " or " + std::to_string((luma + 1) / 2));
}

/// Frames are freed wherever the last copy dies, perhaps on a thread without the GIL.
std::shared_ptr<const void> keep_alive(py::object object) {
  return {object.release().ptr(), [](PyObject* raw) {
            const py::gil_scoped_acquire acquired;
            Py_DECREF(raw);
          }};
}

}  // namespace

void raise(const Error& error) {
  const py::object type = py::module_::import("edgecore.errors").attr("Error");
  PyErr_SetObject(type.ptr(), py::make_tuple(to_string(error.code), error.message, error.hint).ptr());
  throw py::error_already_set();
}

py::array as_array(const TensorView& view, const py::object& owner) {
  if (view.place != Place::kHost) throw py::value_error("the tensor is in device memory");
  return read_only(py::array(dtype_of(view.dtype), std::vector<py::ssize_t>(view.shape.begin(), view.shape.end()),
                             view.data, owner));
}

TensorView as_view(const py::array& array) {
  const DType dtype = dtype_of(array);
  if ((array.flags() & py::array::c_style) == 0) {
    throw py::value_error("expected a C-contiguous array; numpy.ascontiguousarray makes one");
  }
  return {array.data(), dtype, Shape(array.shape(), array.shape() + array.ndim()), Place::kHost};
}

py::tuple planes_of(const Frame& frame) {
  if (frame.place != Place::kHost) throw py::value_error("the frame's pixels are in device memory");
  const py::capsule owner(new Frame(frame), [](void* raw) { delete static_cast<Frame*>(raw); });
  py::tuple planes(plane_count(frame.layout));
  for (std::size_t index = 0; index < planes.size(); ++index) planes[index] = plane_array(frame, index, owner);
  return planes;
}

Frame frame_from_planes(const py::args& arrays, const std::string& matrix, const std::string& range,
                        const std::string& siting) {
  if (arrays.empty() || arrays.size() > 3) throw py::type_error("expected (y), (y, uv) or (y, u, v)");
  const py::array luma = as_plane(arrays[0], "y", 2);
  Frame frame;
  frame.matrix = value_of(kMatrices, matrix, "matrix");
  frame.range = value_of(kRanges, range, "range");
  frame.siting = value_of(kSitings, siting, "siting");
  frame.height_px = static_cast<std::int32_t>(luma.shape(0));
  frame.width_px = static_cast<std::int32_t>(luma.shape(1));
  frame.planes[0] = plane_on(luma);
  frame.layout = PixelLayout::kGray;
  if (arrays.size() > 1) {
    const bool semi_planar = arrays.size() == 2;
    frame.layout = semi_planar ? PixelLayout::kSemiPlanar : PixelLayout::kPlanar;
    const py::array chroma = as_plane(arrays[1], semi_planar ? "uv" : "u", semi_planar ? 3 : 2);
    frame.chroma_shift_y = chroma_shift(luma.shape(0), chroma.shape(0), "height");
    frame.chroma_shift_x = chroma_shift(luma.shape(1), chroma.shape(1), "width");
    frame.planes[1] = plane_on(chroma);
    if (!semi_planar) {
      const py::array v = as_plane(arrays[2], "v", 2);
      if (v.shape(0) != chroma.shape(0) || v.shape(1) != chroma.shape(1)) throw py::value_error("u and v differ in size");
      frame.planes[2] = plane_on(v);
    }
  }
  frame.owner = keep_alive(py::tuple(arrays));
  return frame;
}

}  // namespace edgecore::python
