// Pictures decoded by a backend module, wherever its hardware leaves them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "edgecore/abi.h"
#include "edgecore/frame.h"
#include "edgecore/status.h"

namespace edgecore {

using Codec = abi::Codec;

/// Move-only, one thread at a time. The frames it gave outlive it, and may be dropped on any thread.
class Decoder {
 public:
  /// Takes `raw` over.
  static Result<Decoder> adopt(abi::Decoder* raw);

  /// bytes: one access unit; size 0: the end, what is held back comes out.
  Status push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us);

  /// nullopt: push more. What the module says of the picture is checked. Frame::place says where it lies;
  /// to_host() copies it through the decoder's download. Frame::index is the caller's to fill.
  Result<std::optional<Frame>> pull();

 private:
  struct State;
  explicit Decoder(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  friend class DecodedPicture;
  std::shared_ptr<State> state_;  // shared with the frames
};

}  // namespace edgecore
