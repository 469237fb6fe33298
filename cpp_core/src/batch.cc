#include "edgecore/batch.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "tensor_check.h"

namespace edgecore {
namespace {

constexpr std::int32_t kMaxSize = 1024;  // far beyond what an edge accelerator gains from

using Share = Result<std::vector<TensorBuffer>>;

/// Inputs that go into one run, and what came of it. Its first thread is the one that runs it.
struct Batch {
  std::vector<TensorView> inputs;
  std::vector<std::optional<Share>> shares;  // once it has run
};

Shape with_batch(Shape shape, std::int64_t size) {
  shape.front() = size;
  return shape;
}

Error unsupported(const std::string& problem) { return {Code::kUnsupported, "batching: " + problem, {}}; }

/// The input with room for a batch of `size`; what no stream fills is zero.
TensorBuffer gather(const std::vector<TensorView>& inputs, const TensorInfo& info, std::int64_t size) {
  TensorBuffer all(info.dtype, with_batch(inputs.front().shape, size));
  auto* at = static_cast<char*>(all.data());
  std::memset(at, 0, all.size_bytes());
  for (const TensorView& input : inputs) {
    std::memcpy(at, input.data, input.size_bytes());
    at += input.size_bytes();
  }
  return all;
}

/// The part of one stream. Every output begins with the batch, and is dense: its bytes are parts of one size.
TensorBuffer cut(const TensorView& output, std::size_t index) {
  TensorBuffer part(output.dtype, with_batch(output.shape, 1));
  std::memcpy(part.data(), static_cast<const char*>(output.data) + index * part.size_bytes(), part.size_bytes());
  return part;
}

}  // namespace

struct Batcher::State {
  State(Engine taken, std::int32_t most, std::chrono::microseconds wait)
      : engine(std::move(taken)), size(most), deadline(wait), is_fixed(engine.inputs().front().shape.front() > 0) {}

  Share join(const TensorView& input);
  void perform(Batch& batch);
  Result<std::vector<TensorView>> run(const Batch& batch, TensorBuffer& in);

  Engine engine;
  const std::int32_t size;
  const std::chrono::microseconds deadline;
  const bool is_fixed;  // the model takes exactly `size`
  std::mutex mutex;      // of what follows
  std::condition_variable changed;
  std::shared_ptr<Batch> filling;
  std::mutex running;  // the engine takes one thread at a time
};

Batcher::Batcher(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

Result<Batcher> Batcher::make(Engine engine, std::int32_t most, std::chrono::microseconds deadline) {
  const std::size_t inputs = engine.inputs().size();
  if (inputs != 1) return unsupported("the model has " + std::to_string(inputs) + " inputs");
  const Shape& shape = engine.inputs().front().shape;
  if (shape.empty()) return unsupported("the model's input has no dimensions");
  const std::int64_t fixed = shape.front();
  for (const TensorInfo& output : engine.outputs()) {
    const bool fits = !output.shape.empty() && (output.shape.front() < 0 || output.shape.front() == fixed);
    if (fits) continue;
    const std::string shapes = to_string(output.shape) + ", its input " + to_string(shape);
    return unsupported("output '" + output.name + "' is " + shapes);
  }
  const bool agrees = fixed < 0 ? most > 0 : most == 0 || most == fixed;
  if (!agrees || fixed == 0 || fixed > kMaxSize || most > kMaxSize) {
    return Error{Code::kInvalidArgument, "batching: the model's input is " + to_string(shape) + ", and runs of " +
                                             std::to_string(most) + " were asked for", {}};
  }
  const auto size = fixed < 0 ? most : static_cast<std::int32_t>(fixed);
  return Batcher(std::make_shared<State>(std::move(engine), size, deadline));
}

std::int32_t Batcher::size() const noexcept { return state_->size; }

Result<std::vector<TensorBuffer>> Batcher::run(const TensorView& input) {
  const TensorInfo& info = state_->engine.inputs().front();
  const TensorInfo one{info.name, info.dtype, with_batch(info.shape, 1), info.scale, info.zero_point};
  if (Status status = check_input(input, one); !status) return status.error();
  if (input.place != Place::kHost) return unsupported("the input is in device memory");
  return state_->join(input);
}

Share Batcher::State::join(const TensorView& input) {
  std::unique_lock lock(mutex);
  // Inputs of another free size than the batch's go into the next one.
  const bool starts = filling == nullptr || filling->inputs.front().shape != input.shape;
  if (starts) filling = std::make_shared<Batch>();
  const std::shared_ptr<Batch> batch = filling;
  const std::size_t place = batch->inputs.size();
  batch->inputs.push_back(input);
  batch->shares.emplace_back();
  const auto is_full = [&] { return batch->inputs.size() == static_cast<std::size_t>(size); };
  if (is_full()) filling = nullptr;  // the next input starts another
  changed.notify_all();

  if (starts) {
    changed.wait_for(lock, deadline, [&] { return is_full() || filling != batch; });
    lock.unlock();
    const std::lock_guard one_at_a_time(running);
    lock.lock();
    if (filling == batch) filling = nullptr;  // only now: while the engine was busy, others could still join
    lock.unlock();
    perform(*batch);
    lock.lock();
    changed.notify_all();
  }
  changed.wait(lock, [&] { return batch->shares[place].has_value(); });
  return *std::move(batch->shares[place]);
}

/// By the batch's first thread, without the lock: nobody else touches a batch that is no longer filling, but for
/// its shares, which are told under the lock.
void Batcher::State::perform(Batch& batch) {
  TensorBuffer in;
  const Result<std::vector<TensorView>> outputs = run(batch, in);
  std::vector<std::optional<Share>> shares;
  for (std::size_t index = 0; index < batch.inputs.size(); ++index) {
    if (!outputs) {
      shares.emplace_back(outputs.error());
      continue;
    }
    std::vector<TensorBuffer> parts;
    for (const TensorView& output : *outputs) parts.push_back(cut(output, index));
    shares.emplace_back(std::move(parts));
  }
  const std::lock_guard told(mutex);
  batch.shares = std::move(shares);
}

Result<std::vector<TensorView>> Batcher::State::run(const Batch& batch, TensorBuffer& in) {
  const std::int64_t count = is_fixed ? size : static_cast<std::int64_t>(batch.inputs.size());
  in = gather(batch.inputs, engine.inputs().front(), count);
  Result<std::vector<TensorView>> outputs = engine.run({in.view()});
  if (!outputs) return outputs;
  for (std::size_t i = 0; i < outputs->size(); ++i) {
    const Shape& shape = (*outputs)[i].shape;
    if (shape.empty() || shape.front() != count) {
      return Error{Code::kInternal,
                   "output '" + engine.outputs()[i].name + "': is " + to_string(shape) + " for a batch of " +
                       std::to_string(count), {}};
    }
  }
  return outputs;
}

}  // namespace edgecore
