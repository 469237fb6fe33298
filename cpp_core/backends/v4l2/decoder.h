// H.264 and H.265 through a stateful V4L2 memory-to-memory decoder, into dma-bufs.
#pragma once

#include <vector>

#include "edgecore/abi.h"
#include "node.h"

namespace edgecore::v4l2 {

/// spec.device: which of the nodes that decode the codec. kUnsupported where none does.
edgecore::abi::Code open_decoder(const std::vector<Node>& nodes, const edgecore::abi::DecoderSpec& spec,
                                 edgecore::abi::Decoder** decoder, edgecore::abi::Error* error) noexcept;

}  // namespace edgecore::v4l2
