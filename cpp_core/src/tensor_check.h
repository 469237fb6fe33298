// Tensors across the seam: what goes in is checked for the module's sake, what comes out for ours.
#pragma once

#include <string>

#include "edgecore/abi.h"
#include "edgecore/status.h"
#include "edgecore/tensor.h"

namespace edgecore {

/// port: "input 0" or "output 2". raw may be null.
Result<TensorInfo> decode(const abi::TensorInfo* raw, const std::string& port);

/// port: "output 'y'". Refuses a shape and a size that do not agree, and places that nobody can read.
Result<TensorView> decode(const abi::Tensor& raw, const std::string& port);

abi::Tensor encode(const TensorView& view);

/// A free dimension of `expected` takes any size.
bool fits(const Shape& shape, const Shape& expected);

/// kInvalidArgument unless the view is what the model's input takes.
Status check_input(const TensorView& view, const TensorInfo& info);

}  // namespace edgecore
