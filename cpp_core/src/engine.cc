#include <algorithm>
#include <cstddef>

#include "edgecore/backend.h"
#include "edgecore/model.h"
#include "module_text.h"
#include "picture.h"
#include "tensor_check.h"

namespace edgecore {
namespace {

constexpr std::size_t kMaxPorts = 1024;  // far more than any model has: a broken module's counts are not believed

std::string slot_name(std::int32_t slot) { return "slot " + std::to_string(slot); }

}  // namespace

struct Engine::Raw {
  abi::Engine* engine;
  std::vector<bool> is_open;  // by slot
};

/// A module may still be writing for an open run: it ends before anything is freed.
void Engine::Release::operator()(Raw* raw) const noexcept {
  for (std::size_t slot = 0; slot < raw->is_open.size(); ++slot) {
    if (!raw->is_open[slot]) continue;
    std::vector<abi::Tensor> out(raw->engine->output_count());
    raw->engine->wait(static_cast<std::int32_t>(slot), out.data(), out.size(), nullptr);
  }
  raw->engine->release();
  delete raw;
}

Engine::Engine(abi::Engine* raw) : raw_(new Raw{raw, {}}) {}

Result<Engine> Engine::adopt(abi::Engine* raw) {
  if (raw == nullptr) return Error{Code::kInternal, "the backend reports success but gives no engine", {}};
  Engine engine(raw);
  if (raw->input_count() > kMaxPorts || raw->output_count() > kMaxPorts) {
    return Error{Code::kInternal,
                 "the backend's engine has " + std::to_string(raw->input_count()) + " inputs and " +
                     std::to_string(raw->output_count()) + " outputs, expected at most " + std::to_string(kMaxPorts),
                 {}};
  }
  for (std::size_t i = 0; i < raw->input_count(); ++i) {
    Result<TensorInfo> info = decode(raw->input(i), "input " + std::to_string(i));
    if (!info) return info.error();
    engine.inputs_.push_back(std::move(*info));
  }
  for (std::size_t i = 0; i < raw->output_count(); ++i) {
    Result<TensorInfo> info = decode(raw->output(i), "output " + std::to_string(i));
    if (!info) return info.error();
    engine.outputs_.push_back(std::move(*info));
  }
  const std::int32_t depth = raw->depth();
  if (depth < 1) {
    return Error{Code::kInternal, "the backend's engine takes " + std::to_string(depth) + " runs at a time", {}};
  }
  engine.raw_->is_open.assign(static_cast<std::size_t>(std::min(depth, kMaxDepth)), false);
  return engine;
}

Result<std::vector<abi::Tensor>> Engine::encode_inputs(const std::vector<TensorView>& in) const {
  if (in.size() != inputs_.size()) {
    return Error{Code::kInvalidArgument,
                 "inputs: expected " + std::to_string(inputs_.size()) + ", found " + std::to_string(in.size()), {}};
  }
  std::vector<abi::Tensor> raw;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (Status status = check_input(in[i], inputs_[i]); !status) return status.error();
    raw.push_back(encode(in[i]));
  }
  return raw;
}

Result<std::vector<TensorView>> Engine::decode_outputs(const std::vector<abi::Tensor>& raw, Outputs wanted) const {
  std::vector<TensorView> out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const std::string port = "output '" + outputs_[i].name + "'";
    Result<TensorView> view = decode(raw[i], port);
    if (!view) return view.error();
    if (view->place != Place::kHost && wanted == Outputs::kHost) {
      return Error{Code::kInternal, port + ": the backend leaves it in device memory, where it was not asked for", {}};
    }
    out.push_back(std::move(*view));
  }
  return out;
}

Result<std::vector<TensorView>> Engine::run(const std::vector<TensorView>& in, Outputs wanted) {
  const auto& is_open = raw_->is_open;
  if (std::find(is_open.begin(), is_open.end(), true) != is_open.end()) {
    return Error{Code::kInvalidArgument, "run: a slot is open", "wait for it first, or submit to a free slot"};
  }
  const Result<std::vector<abi::Tensor>> raw_in = encode_inputs(in);
  if (!raw_in) return raw_in.error();
  std::vector<abi::Tensor> raw_out(outputs_.size());
  abi::Error error;
  const Code code = raw_->engine->run(raw_in->data(), raw_in->size(), raw_out.data(), raw_out.size(), &error);
  if (code != Code::kOk) return from_module("inference", code, error);
  return decode_outputs(raw_out, wanted);
}

std::int32_t Engine::depth() const noexcept { return static_cast<std::int32_t>(raw_->is_open.size()); }

Status Engine::check_slot(std::int32_t slot, bool should_be_open) const {
  if (slot < 0 || slot >= depth()) {
    return Error{Code::kInvalidArgument, slot_name(slot) + ": expected 0 to " + std::to_string(depth() - 1), {}};
  }
  if (raw_->is_open[static_cast<std::size_t>(slot)] == should_be_open) return {};
  const std::string problem =
      should_be_open ? "no run is open in it" : "a run is open in it, which has to be waited for";
  return Error{Code::kInvalidArgument, slot_name(slot) + ": " + problem, {}};
}

Status Engine::submit(std::int32_t slot, const std::vector<TensorView>& in) {
  if (Status is_free = check_slot(slot, false); !is_free) return is_free;
  const Result<std::vector<abi::Tensor>> raw_in = encode_inputs(in);
  if (!raw_in) return raw_in.error();
  abi::Error error;
  const Code code = raw_->engine->submit(slot, raw_in->data(), raw_in->size(), &error);
  if (code != Code::kOk) return from_module("inference", code, error);
  raw_->is_open[static_cast<std::size_t>(slot)] = true;
  return {};
}

Result<std::vector<TensorView>> Engine::wait(std::int32_t slot, Outputs wanted) {
  if (Status open = check_slot(slot, true); !open) return open.error();
  raw_->is_open[static_cast<std::size_t>(slot)] = false;
  std::vector<abi::Tensor> raw_out(outputs_.size());
  abi::Error error;
  const Code code = raw_->engine->wait(slot, raw_out.data(), raw_out.size(), &error);
  if (code != Code::kOk) return from_module("inference", code, error);
  return decode_outputs(raw_out, wanted);
}

Result<TensorView> Engine::prepare(std::int32_t slot, const Frame& frame, const InputDescription& input) {
  if (Status is_free = check_slot(slot, false); !is_free) return is_free.error();
  if (inputs_.size() != 1) return Error{Code::kUnsupported, "a picture goes into models of one input", {}};
  const abi::Picture picture = to_picture(frame);
  const abi::PictureInput wish = to_picture_input(frame, input);
  abi::Tensor raw;
  abi::Error error;
  const std::string where = "preprocessing of frame " + std::to_string(frame.index);
  const Code code = raw_->engine->prepare(slot, picture, wish, &raw, &error);
  if (code != Code::kOk) return from_module(where, code, error);
  Result<TensorView> view = decode(raw, where);
  if (!view) return view;
  const Shape expected = shape_of(input);
  if (view->shape == expected && check_input(*view, inputs_.front())) return view;
  return Error{Code::kInternal, where + ": the backend made " + to_string(view->dtype) + " " + to_string(view->shape) +
                                    ", expected " + to_string(inputs_.front().dtype) + " " + to_string(expected), {}};
}

CopyCounts Engine::copies() const noexcept { return raw_->engine->copies(); }

}  // namespace edgecore
