// The Python module edgecore._core: converts, releases the GIL, turns errors into exceptions. No logic.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "convert.h"
#include "edgecore/backend.h"
#include "edgecore/frame.h"
#include "edgecore/pipeline.h"
#include "edgecore/source.h"
#include "model.h"
#include "names.h"

namespace edgecore::python {
namespace {

/// Something with next(): Result<optional<Item>>, as a Python iterator that other threads may share.
template <typename Stream>
class Iterator {
 public:
  explicit Iterator(Stream stream) : stream_(std::move(stream)) {}

  Stream& stream() noexcept { return stream_; }

  auto next() {
    auto item = without_gil([&] {
      const std::lock_guard one_at_a_time(mutex_);
      return stream_->next();
    });
    if (!item) throw py::stop_iteration();
    return *std::move(item);
  }

  /// What the stream says of itself may change with every item: it is read between two of them.
  std::string description() {
    return without_gil([&]() -> Result<std::string> {
      const std::lock_guard one_at_a_time(mutex_);
      return stream_->describe();
    });
  }

 private:
  Stream stream_;
  std::mutex mutex_;
};

using FrameIterator = Iterator<std::unique_ptr<Source>>;
using ResultIterator = Iterator<std::unique_ptr<Pipeline>>;

std::unique_ptr<FrameIterator> open_frames(std::string uri, std::vector<std::int64_t> frames, std::int64_t limit) {
  SourceRequest request;
  request.uri = std::move(uri);
  request.frames = std::move(frames);
  request.limit = limit;
  return std::make_unique<FrameIterator>(without_gil([&] { return open_source(request); }));
}

std::unique_ptr<ResultIterator> open_pipeline(const std::filesystem::path& yaml, std::optional<std::int64_t> limit,
                                              std::optional<std::string> source) {
  Pipeline pipeline = without_gil([&]() -> Result<Pipeline> {
    Result<PipelineConfig> config = load_pipeline_config(yaml);
    if (!config) return config.error();
    if (limit) config->source.limit = *limit;
    if (source) config->source.uri = *std::move(source);
    return Pipeline::open(*config, backend_directory());
  });
  return std::make_unique<ResultIterator>(std::make_unique<Pipeline>(std::move(pipeline)));
}

py::dict timings_of(const FrameResult& result) {
  py::dict timings;
  timings["decode"] = result.timings.decode_us;
  timings["preprocess"] = result.timings.preprocess_us;
  timings["infer"] = result.timings.infer_us;
  timings["postprocess"] = result.timings.postprocess_us;
  return timings;
}

py::object digests_of(const FrameResult& result) {
  if (!result.digests) return py::none();
  py::dict digests;
  digests["frame"] = result.digests->frame;
  digests["tensor"] = result.digests->tensor;
  return std::move(digests);
}

py::object copies_of(const FrameResult& result) {
  if (!result.copies) return py::none();
  py::dict copies;
  copies["to_device"] = result.copies->to_device;
  copies["to_device_bytes"] = result.copies->to_device_bytes;
  copies["to_host"] = result.copies->to_host;
  copies["to_host_bytes"] = result.copies->to_host_bytes;
  return std::move(copies);
}

/// A module that does not open says why, and the others are still told.
py::dict describe_backend(const std::string& name, const std::filesystem::path& folder) {
  const Result<Backend> backend = [&] {
    const py::gil_scoped_release released;
    return open_backend(name, folder);
  }();
  py::dict module;
  module["name"] = name;
  if (backend) {
    module["runtime"] = backend->runtime();
    module["devices"] = backend->device_count();
  } else {
    module["code"] = to_string(backend.error().code);
    module["error"] = backend.error().message;
    module["hint"] = backend.error().hint;
  }
  return module;
}

py::list describe_backends() {
  const std::filesystem::path folder = backend_directory();
  py::list modules;
  for (const std::string& name : list_backends(folder)) modules.append(describe_backend(name, folder));
  return modules;
}

void bind_frame(py::module_& module) {
  py::class_<Frame>(module, "Frame")
      .def_static("from_planes", &frame_from_planes, py::arg("matrix") = "bt601", py::arg("range") = "limited",
                  py::arg("siting") = "left")
      .def_property_readonly("planes", &planes_of)
      .def_readonly("width_px", &Frame::width_px)
      .def_readonly("height_px", &Frame::height_px)
      .def_readonly("index", &Frame::index)
      .def_readonly("pts_us", &Frame::pts_us)
      .def_property_readonly("layout", [](const Frame& frame) { return name_of(kLayouts, frame.layout); })
      .def_property_readonly("matrix", [](const Frame& frame) { return name_of(kMatrices, frame.matrix); })
      .def_property_readonly("range", [](const Frame& frame) { return name_of(kRanges, frame.range); })
      .def_property_readonly("siting", [](const Frame& frame) { return name_of(kSitings, frame.siting); })
      .def("digest", [](const Frame& frame) { return digest(frame); }, py::call_guard<py::gil_scoped_release>());

  py::class_<FrameIterator>(module, "Source")
      .def("__iter__", [](py::object self) { return self; })
      .def("__next__", &FrameIterator::next)
      .def_property_readonly("description", &FrameIterator::description);

  module.def("open_source", &open_frames, py::arg("uri"), py::arg("frames") = std::vector<std::int64_t>{},
             py::arg("limit") = 0);
}

void bind_detection(py::module_& module) {
  py::class_<Detection>(module, "Detection")
      .def(py::init([](std::int32_t label, float score, std::array<float, 4> box) {
             return Detection{label, score, box};
           }),
           py::arg("label"), py::arg("score"), py::arg("box"))
      .def_readonly("label", &Detection::label)
      .def_readonly("score", &Detection::score)
      .def_property_readonly("box", [](const Detection& d) { return py::make_tuple(d.box[0], d.box[1], d.box[2], d.box[3]); })
      .def("__repr__", [](py::object self) {
        return py::str("Detection(label={}, score={:.6f}, box={})")
            .format(self.attr("label"), self.attr("score"), self.attr("box"));
      });

  module.def("nms", &non_maximum_suppression, py::arg("detections"), py::arg("iou_threshold") = 0.45F,
             py::arg("max_detections") = 300, py::call_guard<py::gil_scoped_release>());
}

void bind_model(py::module_& module) {
  py::class_<Placement>(module, "Placement")
      .def_readonly("scale_x", &Placement::scale_x)
      .def_readonly("scale_y", &Placement::scale_y)
      .def_readonly("offset_x_px", &Placement::offset_x_px)
      .def_readonly("offset_y_px", &Placement::offset_y_px)
      .def_readonly("width_px", &Placement::width_px)
      .def_readonly("height_px", &Placement::height_px);

  py::class_<Model>(module, "Model")
      .def(py::init(&Model::open), py::arg("yaml"), py::arg("backend") = "cpu", py::arg("threads") = 1)
      .def("preprocess", &Model::preprocess, py::arg("frame"))
      .def("run", &Model::run, py::arg("inputs"), py::kw_only(), py::arg("copy") = true)
      .def("detect", &Model::detect, py::arg("frame"))
      .def_property_readonly("labels", [](const Model& self) { return self.description().labels; });
}

void bind_pipeline(py::module_& module) {
  py::class_<FrameResult>(module, "FrameResult")
      .def_readonly("frame", &FrameResult::frame)
      .def_readonly("detections", &FrameResult::detections)
      .def_property_readonly("timings_us", &timings_of)
      .def_property_readonly("digests", &digests_of)
      .def_property_readonly("copies", &copies_of);

  py::class_<ResultIterator>(module, "Pipeline")
      .def(py::init(&open_pipeline), py::arg("yaml"), py::kw_only(), py::arg("limit") = py::none(),
           py::arg("source") = py::none())
      .def("__iter__", [](py::object self) { return self; })
      .def("__next__", &ResultIterator::next)
      .def_property_readonly("labels", [](ResultIterator& self) { return self.stream()->model().labels; });
}

}  // namespace
}  // namespace edgecore::python

PYBIND11_MODULE(_core, module) {
  using namespace edgecore::python;
  module.attr("__version__") = EDGECORE_VERSION;
  bind_frame(module);
  bind_detection(module);
  bind_model(module);
  bind_pipeline(module);
  module.def("backends", &describe_backends);
}
