#include "edgecore/decoder.h"

#include <array>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "component.h"
#include "module_text.h"
#include "picture.h"

namespace edgecore {
namespace {

constexpr std::chrono::milliseconds kMoment{1};  // in which those that wait for the decoder have their turn

}  // namespace

/// Frames may be dropped on another thread than the decoder's, which takes one call at a time.
struct Decoder::State {
  explicit State(abi::Decoder* taken) noexcept : raw(taken) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { raw->release(); }

  abi::Decoder* raw;
  std::mutex mutex;
};

/// A picture that is ours until it is dropped.
class DecodedPicture final : public HostCopier {
 public:
  DecodedPicture(std::shared_ptr<Decoder::State> state, const abi::Picture& picture)
      : state_(std::move(state)), picture_(picture) {}
  DecodedPicture(const DecodedPicture&) = delete;
  DecodedPicture& operator=(const DecodedPicture&) = delete;
  ~DecodedPicture() override {
    const std::lock_guard one_at_a_time(state_->mutex);
    state_->raw->recycle(&picture_);
  }

  Result<Frame> to_host(const Frame& frame) const override {
    Frame copy = frame;
    std::vector<std::uint8_t> bytes = make_room(copy);
    abi::Picture host = to_picture(copy);
    abi::Error error;
    const Code code = [&] {
      const std::lock_guard one_at_a_time(state_->mutex);
      return state_->raw->download(picture_, &host, &error);
    }();
    const std::string where = "frame " + std::to_string(frame.index) + ": copy to the host";
    if (code != Code::kOk) return from_module(where, code, error);
    copy.owner = std::make_shared<std::vector<std::uint8_t>>(std::move(bytes));  // a vector's memory moves with it
    return copy;
  }

 private:
  /// Memory for the frame's planes, row upon row without padding; the frame's planes then lie there.
  static std::vector<std::uint8_t> make_room(Frame& frame) {
    const bool is_interleaved = frame.layout == PixelLayout::kSemiPlanar;
    const std::size_t planes = frame.layout == PixelLayout::kGray ? 1 : is_interleaved ? 2 : 3;
    std::array<std::size_t, 3> offsets{};
    std::size_t total = 0;
    for (std::size_t at = 0; at < planes; ++at) {
      const Component samples = component(frame, static_cast<int>(at));
      offsets[at] = total;
      frame.planes[at].stride_bytes = samples.width_px * samples.step;
      total += static_cast<std::size_t>(frame.planes[at].stride_bytes) * static_cast<std::size_t>(samples.height_px);
    }
    std::vector<std::uint8_t> bytes(total);
    for (std::size_t at = 0; at < frame.planes.size(); ++at) {
      frame.planes[at].data = at < planes ? bytes.data() + offsets[at] : nullptr;
    }
    frame.place = abi::Place::kHost;
    frame.dma_fd = -1;
    frame.copier = nullptr;
    return bytes;
  }

  std::shared_ptr<Decoder::State> state_;
  abi::Picture picture_;
};

Result<Decoder> Decoder::adopt(abi::Decoder* raw) {
  if (raw == nullptr) return Error{Code::kInternal, "the backend reports success but gives no decoder", {}};
  return Decoder(std::make_shared<State>(raw));
}

Status Decoder::push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us) {
  abi::Error error;
  const std::lock_guard one_at_a_time(state_->mutex);
  const Code code = state_->raw->push(bytes, size_bytes, pts_us, &error);
  return code == Code::kOk ? Status() : Status(from_module("decoder", code, error));
}

Result<std::optional<Frame>> Decoder::pull() {
  abi::Picture picture;
  std::int32_t has_picture = abi::kAskAgain;
  abi::Error error;
  while (has_picture == abi::kAskAgain) {
    {
      const std::lock_guard one_at_a_time(state_->mutex);
      const Code code = state_->raw->pull(&picture, &has_picture, &error);
      if (code != Code::kOk) return from_module("decoder", code, error);
    }
    if (has_picture == abi::kAskAgain) std::this_thread::sleep_for(kMoment);
  }
  if (has_picture == 0) return std::optional<Frame>();
  const auto owner = std::make_shared<DecodedPicture>(state_, picture);
  Result<Frame> frame = to_frame(picture);
  if (!frame) return frame.error();
  frame->owner = owner;
  if (frame->place != abi::Place::kHost) frame->copier = owner;
  return std::optional<Frame>(*std::move(frame));
}

}  // namespace edgecore
