// What can be known of a model file without ONNX Runtime.
#pragma once

#include "edgecore/abi.h"

namespace edgecore::cpu {

/// An ONNX file: every message within the one around it, version, operator sets and graph there, operators named, each
/// tensor's data as long as its shape and type say, weights in files of their own there and long enough. kCorrupt says
/// where it is not so; kNotFound names a file of weights. What the operators mean is left to the runtime.
///
/// NAME.ort, the runtime's own format: its identifier alone. The runtime verifies the rest of it before it reads it.
abi::Code check_model_file(const char* path, abi::Error* error) noexcept;

}  // namespace edgecore::cpu
