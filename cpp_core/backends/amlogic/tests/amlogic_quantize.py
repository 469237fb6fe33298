"""A float ONNX model, or the part of it that leads to some tensors, as a quantized network.

What a small detector has: convolutions, also transposed, batch normalization behind them, ReLU, addition, sigmoid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from amlogic_arithmetic import covering, sum_scale
from amlogic_network import Layer, Network, Quant, session
from amlogic_pictures import Picture
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_SIGMOID = Quant(1 / 256, 0)
_KINDS = {"Conv": "conv", "ConvTranspose": "deconv", "Add": "add", "Sigmoid": "sigmoid"}


def quantized(model: onnx.ModelProto, outputs: tuple[str, ...], pictures: list[Picture]) -> Network:
    """Its ranges are the ones that the pictures reach."""
    source = model.graph.input[0].name
    nodes = _leading_to(model, outputs)
    layers = _layers(nodes, {each.name: numpy_helper.to_array(each) for each in model.graph.initializer})
    ranges, shapes = _measure(model, nodes, pictures)
    scales = _choose_scales(layers, ranges)
    network = Network()
    network.tensor("input", f"t{source}", pictures[0].shape, Quant(1.0, 0))
    for layer in layers:
        low, scale = min(ranges[layer.out][0], 0.0), scales[layer.out]
        quant = _SIGMOID if layer.kind == "sigmoid" else Quant(scale, round(-low / scale))
        kind = "output" if layer.out in outputs else "inner"
        network.tensor(kind, f"t{layer.out}", shapes[layer.out], quant)
        network.layer(replace(layer, inputs=tuple(f"t{name}" for name in layer.inputs), out=f"t{layer.out}"))
    return network


def _choose_scales(layers: list[Layer], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """What is added to each other shares a scale."""
    sums = {layer.out: layer.inputs for layer in layers if layer.kind == "add"}
    partners = {layer.out: {layer.out} for layer in layers}
    for summands in sums.values():
        together = set().union(*(partners[name] for name in summands))
        partners.update(dict.fromkeys(together, together))
    scales: dict[str, float] = {}
    for layer in layers:
        together = partners[layer.out]
        scale = max(covering(*ranges[name]) for name in together)
        for name in together & sums.keys():
            scale = sum_scale(scale, summands=scales[sums[name][0]])
        scales[layer.out] = scale
    return scales


def _layers(nodes: list[Any], stored: dict[str, NDArray[np.float32]]) -> list[Layer]:
    """A ReLU or a normalization belongs to the layer before it, whose output takes its name."""
    layers: list[Layer] = []
    for node in nodes:
        previous = layers[-1] if layers else None
        if node.op_type in ("Relu", "BatchNormalization"):
            assert previous is not None
            assert previous.out == node.input[0]
            normalized = previous if node.op_type == "Relu" else _normalize(previous, node, stored)
            layers[-1] = replace(normalized, out=node.output[0])
            continue
        facts = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        tensors = [name for name in node.input if name not in stored]
        layer = Layer(_KINDS[node.op_type], tuple(tensors), node.output[0])
        if "kernel_shape" in facts:
            weights = stored[node.input[1]]
            channels = weights.shape[1] if layer.kind == "deconv" else weights.shape[0]
            bias = stored[node.input[2]] if len(node.input) > 2 else np.zeros(channels, np.float32)
            shape = {"stride": facts["strides"][0], "pads": tuple(facts["pads"]), "group": facts["group"]}
            layer = replace(layer, weights=weights, bias=bias, **shape)
        layers.append(layer)
    return layers


def _normalize(layer: Layer, node: Any, stored: dict[str, NDArray[np.float32]]) -> Layer:
    """Batch normalization behind a transposed convolution, folded into its weights."""
    assert layer.kind == "deconv"
    gain, offset, mean, variance = (stored[name] for name in node.input[1:])
    (epsilon,) = (each.f for each in node.attribute if each.name == "epsilon")
    factor = gain / np.sqrt(variance + epsilon)
    weights = (layer.weights * factor[None, :, None, None]).astype(np.float32)
    return replace(layer, weights=weights, bias=((layer.bias - mean) * factor + offset).astype(np.float32))


def _leading_to(model: onnx.ModelProto, outputs: tuple[str, ...]) -> list[Any]:
    wanted, nodes = set(outputs), []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            nodes.append(node)
    assert set(outputs) <= {name for node in nodes for name in node.output}
    return nodes[::-1]


def _measure(
    model: onnx.ModelProto, nodes: list[Any], pictures: list[Picture]
) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[int, ...]]]:
    """Lowest and highest value, and shape, of every tensor."""
    names = [name for node in nodes for name in node.output]
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    for size, dimension in zip(pictures[0].shape, watched.graph.input[0].type.tensor_type.shape.dim, strict=True):
        dimension.dim_value = size
    runner = session(watched.SerializeToString())
    runs = [runner.run(None, {watched.graph.input[0].name: picture}) for picture in pictures]
    lows_and_highs = {
        name: (min(float(run[at].min()) for run in runs), max(float(run[at].max()) for run in runs))
        for at, name in enumerate(names)
    }
    return lows_and_highs, {name: runs[0][at].shape for at, name in enumerate(names)}
