// MODEL.nb.io: better names for a model's ports than the converter's ("uid_5_out_0"), and what their owner believes of
// them.
//
//   # direction  name   type   shape         scale     zero point
//   input        image  uint8  1x3x640x640   0.003922  0
//   output       boxes  uint8  1x144x80x80   0.2306    150
#pragma once

#include <string>

#include "edgecore/abi.h"
#include "model_file.h"

namespace edgecore::amlogic {

/// Renames the model's ports, in order. kOk where there is no such file; kCorrupt for one that cannot be read,
/// kInvalidArgument where it contradicts the model.
abi::Code apply_sidecar(const std::string& path, Model& model, abi::Error* error);

}  // namespace edgecore::amlogic
