"""The face model with another first dimension: free, or a fixed batch."""

from __future__ import annotations

from pathlib import Path


def write_batched(model: Path, target: Path, *, batch: int | None = None) -> None:
    """batch: None for a free one. What follows from the input is left to the runtime, as in the model itself."""
    import onnx  # a test package

    proto = onnx.load(model)
    (source,) = proto.graph.input
    first = source.type.tensor_type.shape.dim[0]
    if batch is None:
        first.dim_param = "N"
    else:
        first.dim_value = batch
    onnx.checker.check_model(proto)
    onnx.save(proto, target)
