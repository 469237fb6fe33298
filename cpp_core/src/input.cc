#include "edgecore/input.h"

#include <algorithm>

#include "edgecore/preprocess.h"

namespace edgecore {

Result<const Frame*> HostedFrame::on_host() {
  if (!host_) {
    Result<Frame> host = to_host(frame_);
    if (!host) return host.error();
    host_ = *std::move(host);
  }
  return &*host_;
}

Status HostedFrame::settle_on_host() {
  const Result<const Frame*> host = on_host();
  if (!host) return host.error();
  frame_ = **host;
  return {};
}

InputMaker::Kind InputMaker::kind_of(const Frame& frame) noexcept {
  return {frame.place, frame.layout, frame.chroma_shift_x, frame.chroma_shift_y, frame.matrix,
          frame.range, frame.siting, frame.width_px,       frame.height_px};
}

Result<TensorView> InputMaker::make(Engine& engine, std::int32_t slot, HostedFrame& picture,
                                    const InputDescription& input, TensorBuffer& on_cpu) {
  // A stream has one kind of picture, a folder many. The oldest is forgotten, which costs a question.
  constexpr std::size_t kMostKinds = 16;
  const Kind kind = kind_of(picture.frame());
  if (std::find(left_to_cpu_.begin(), left_to_cpu_.end(), kind) == left_to_cpu_.end()) {
    Result<TensorView> prepared = engine.prepare(slot, picture.frame(), input);
    if (prepared || prepared.error().code != Code::kUnsupported) return prepared;
    if (left_to_cpu_.size() == kMostKinds) left_to_cpu_.erase(left_to_cpu_.begin());
    left_to_cpu_.push_back(kind);
  }
  const Result<const Frame*> host = picture.on_host();
  if (!host) return host.error();
  const Result<Placement> placement = preprocess(**host, input, on_cpu);
  if (!placement) return placement.error();
  return on_cpu.view();
}

}  // namespace edgecore
