// Which decoder is for which codec.
#pragma once

#include "cuda.h"
#include "edgecore/abi.h"

namespace edgecore::tensorrt {

abi::Code open_decoder(const Driver& driver, const abi::DecoderSpec& spec, abi::Decoder** decoder,
                       abi::Error* error) noexcept;

}  // namespace edgecore::tensorrt
