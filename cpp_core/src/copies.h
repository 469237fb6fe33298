// Copies between host and device, from an engine's running counters to those of one result.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "component.h"
#include "edgecore/backend.h"
#include "edgecore/frame.h"

namespace edgecore {

class CopyMeter {
 public:
  /// at_start: what was counted when the model was opened is no frame's.
  explicit CopyMeter(const CopyCounts& at_start) noexcept : last_(at_start) {}

  /// A picture that was brought to the host for us, which its decoder does not count.
  void add_download(const Frame& host) noexcept {
    ++downloads_.to_host;
    for (int index = 0; index < component_count(host); ++index) {
      const Component samples = component(host, index);
      downloads_.to_host_bytes +=
          static_cast<std::uint64_t>(samples.width_px) * static_cast<std::uint64_t>(samples.height_px);
    }
  }

  /// Since the call before. nullopt as long as nothing was ever counted: nobody does, or there is nothing to count.
  std::optional<CopyCounts> lap(CopyCounts now) noexcept {
    now.to_host += downloads_.to_host;
    now.to_host_bytes += downloads_.to_host_bytes;
    const CopyCounts before = last_;
    last_ = now;
    if ((now.to_device | now.to_device_bytes | now.to_host | now.to_host_bytes) == 0) return std::nullopt;
    // A module is other people's code: its counters may fall.
    const auto since = [](std::uint64_t count, std::uint64_t earlier) { return count - std::min(count, earlier); };
    return CopyCounts{since(now.to_device, before.to_device), since(now.to_device_bytes, before.to_device_bytes),
                      since(now.to_host, before.to_host), since(now.to_host_bytes, before.to_host_bytes)};
  }

 private:
  CopyCounts last_;
  CopyCounts downloads_;
};

}  // namespace edgecore
