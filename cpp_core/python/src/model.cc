#include "model.h"

#include "convert.h"
#include "edgecore/pipeline.h"

namespace edgecore::python {
namespace {

constexpr std::int32_t kMaxThreads = 1024;  // as of engine.threads in a pipeline

Result<std::pair<ModelDescription, Engine>> open_described(const std::filesystem::path& yaml,
                                                           const std::string& backend, std::int32_t threads) {
  if (threads < 1 || threads > kMaxThreads) {
    return Error{Code::kInvalidArgument,
                 "threads: expected 1.." + std::to_string(kMaxThreads) + ", found " + std::to_string(threads), ""};
  }
  Result<ModelDescription> description = load_model_description(yaml);
  if (!description) return description.error();
  EngineRequest request;
  request.threads = threads;
  Result<Engine> engine = open_model(*description, backend, std::move(request), backend_directory());
  if (!engine) return engine.error();
  return std::pair(*std::move(description), *std::move(engine));
}

}  // namespace

Model::Model(ModelDescription description, Engine engine)
    : description_(std::move(description)),
      on_cpu_(DType::kFloat32, shape_of(description_.input)),
      engine_(std::move(engine)) {}

std::unique_ptr<Model> Model::open(const std::filesystem::path& yaml, const std::string& backend,
                                   std::int32_t threads) {
  auto [description, engine] = without_gil([&] { return open_described(yaml, backend, threads); });
  return std::unique_ptr<Model>(new Model(std::move(description), std::move(engine)));
}

py::tuple Model::preprocess(const Frame& frame) const {
  auto tensor = std::make_unique<TensorBuffer>(DType::kFloat32, shape_of(description_.input));
  const Placement placement =
      without_gil([&] { return edgecore::preprocess(frame, description_.input, *tensor); });
  const TensorView view = tensor->view();
  const py::capsule owner(tensor.release(), [](void* raw) { delete static_cast<TensorBuffer*>(raw); });
  return py::make_tuple(as_array(view, owner), placement);
}

std::vector<py::array> Model::order_inputs(const py::dict& inputs) const {
  std::vector<py::array> arrays;
  for (const TensorInfo& info : engine_.inputs()) {
    const py::str name(info.name);
    if (!inputs.contains(name)) throw py::key_error("the model needs an input '" + info.name + "'");
    arrays.push_back(py::cast<py::array>(inputs[name]));
  }
  if (inputs.size() != arrays.size()) {
    throw py::key_error("the model has " + std::to_string(arrays.size()) + " input(s), found " +
                        std::to_string(inputs.size()));
  }
  return arrays;
}

py::dict Model::run(const py::object& owner, const py::dict& inputs, bool copy) {
  auto& self = py::cast<Model&>(owner);
  const std::vector<py::array> held = self.order_inputs(inputs);  // the caller's dict may change meanwhile
  std::vector<TensorView> views;
  for (const py::array& array : held) views.push_back(as_view(array));
  std::unique_lock one_at_a_time(self.mutex_, std::defer_lock);  // held until the copies are made
  const std::vector<TensorView> outputs = without_gil([&] {
    one_at_a_time.lock();
    return self.engine_.run(views);
  });
  py::dict by_name;
  for (std::size_t index = 0; index < outputs.size(); ++index) {
    const py::array view = as_array(outputs[index], owner);
    by_name[py::str(self.engine_.outputs()[index].name)] = copy ? view.attr("copy")() : py::object(view);
  }
  return by_name;
}

std::vector<Detection> Model::detect(const Frame& frame) {
  return without_gil([&]() -> Result<std::vector<Detection>> {
    constexpr std::int32_t kSlot = 0;
    const std::lock_guard one_at_a_time(mutex_);
    HostedFrame picture(frame);
    const Result<TensorView> input = maker_.make(engine_, kSlot, picture, description_.input, on_cpu_);
    if (!input) return input.error();
    if (Status started = engine_.submit(kSlot, {*input}); !started) return started.error();
    const Result<std::vector<TensorView>> outputs = engine_.wait(kSlot);
    if (!outputs) return outputs.error();
    const Placement placement = plan_placement(frame.width_px, frame.height_px, description_.input);
    return postprocess(*outputs, engine_.outputs(), description_, placement, frame.width_px, frame.height_px);
  });
}

}  // namespace edgecore::python
