// The model's input out of a picture, made where that is cheapest.
#pragma once

#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/frame.h"
#include "edgecore/model.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

/// A picture, and its copy in host memory once somebody had to read it there.
class HostedFrame {
 public:
  explicit HostedFrame(Frame frame) : frame_(std::move(frame)) {}

  const Frame& frame() const noexcept { return frame_; }
  Result<const Frame*> on_host();

  /// frame() becomes the copy, and the picture goes back to its decoder.
  Status settle_on_host();

  /// The copy; null where none was made, or where the picture lay on the host itself.
  const Frame* download() const noexcept { return was_elsewhere_ && host_ ? &*host_ : nullptr; }

 private:
  Frame frame_;
  bool was_elsewhere_ = frame_.place != Place::kHost;
  std::optional<Frame> host_;
};

/// By the engine where its memory is (Engine::prepare), or else on the CPU. What an engine refuses is remembered by
/// kind of picture, so that it is asked once for each.
class InputMaker {
 public:
  /// For the slot's next submit(). on_cpu: memory for an input that the CPU makes, in place until the slot's wait().
  Result<TensorView> make(Engine& engine, std::int32_t slot, HostedFrame& picture, const InputDescription& input,
                          TensorBuffer& on_cpu);

 private:
  using Kind = std::tuple<Place, PixelLayout, std::uint8_t, std::uint8_t, ColorMatrix, ColorRange, ChromaSiting,
                          std::int32_t, std::int32_t>;
  static Kind kind_of(const Frame& frame) noexcept;

  std::vector<Kind> left_to_cpu_;
};

}  // namespace edgecore
