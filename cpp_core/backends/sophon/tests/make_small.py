#!/usr/bin/env python3
"""Write small.onnx: a detector in miniature, seeded, whose operators are those of real ones.

1x3x32x32 in; a strided, a depthwise and a pointwise convolution, a shortcut, pooling, a transposed convolution, and two
heads, one with a sigmoid. Needs the onnx package; run it from anywhere: it writes beside itself.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small_model() -> onnx.ModelProto:
    random = np.random.default_rng(1)
    weights: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def convolve(kind: str, source: str, target: str, shape: tuple[int, ...], bias: int, **attributes: object) -> None:
        fan_in = np.prod(shape[1:])
        kernel = random.normal(0, fan_in**-0.5, shape).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"{target}.kernel"))
        weights.append(numpy_helper.from_array(random.normal(0, 0.1, bias).astype(np.float32), f"{target}.bias"))
        nodes.append(
            helper.make_node(kind, [source, f"{target}.kernel", f"{target}.bias"], [target], target, **attributes)
        )

    def apply(kind: str, sources: list[str], target: str, **attributes: object) -> None:
        nodes.append(helper.make_node(kind, sources, [target], target, **attributes))

    convolve("Conv", "image", "stem", (8, 3, 3, 3), 8, strides=[2, 2], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    apply("Relu", ["stem"], "stem_relu")
    convolve("Conv", "stem_relu", "depth", (8, 1, 3, 3), 8, group=8, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    apply("Relu", ["depth"], "depth_relu")
    convolve("Conv", "depth_relu", "point", (8, 8, 1, 1), 8, kernel_shape=[1, 1])
    apply("Add", ["stem_relu", "point"], "joined")
    apply("MaxPool", ["joined"], "pooled", kernel_shape=[2, 2], strides=[2, 2])
    convolve("ConvTranspose", "pooled", "up", (8, 8, 2, 2), 8, strides=[2, 2], kernel_shape=[2, 2])
    apply("Concat", ["up", "joined"], "both", axis=1)
    convolve("Conv", "both", "score_raw", (1, 16, 1, 1), 1, kernel_shape=[1, 1])
    apply("Sigmoid", ["score_raw"], "score")
    convolve("Conv", "both", "box", (4, 16, 1, 1), 4, kernel_shape=[1, 1])

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 32])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, [1, 1, 16, 16])
    box = helper.make_tensor_value_info("box", TensorProto.FLOAT, [1, 4, 16, 16])
    graph = helper.make_graph(nodes, "small", [image], [score, box], weights)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="edgecore"
    )
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    Path(__file__).with_name("small.onnx").write_bytes(small_model().SerializeToString(deterministic=True))
