"""A quantized network in two forms that mean the same: lines for compile_network.cc, and ONNX for ONNX Runtime.

Taken from a float ONNX model's first layers: convolutions with their ReLUs, and additions. Activations and weights
become uint8 with one scale and zero point a tensor; a ReLU is the saturation at a zero point of 0; biases are int32 in
steps of input x weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET = 13
_QUIET = 3
_MULTIPLIER_BITS = 7


@dataclass(frozen=True)
class Quant:
    """real = (stored - zero_point) * scale, stored in 0..255."""

    scale: float
    zero_point: int

    @staticmethod
    def covering(low: float, high: float) -> Quant:
        """Rounded up to three digits, so that CPUs which differ in a last bit agree."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = float(f"{(high - low) / 255 * 1.005:.3g}")
        return Quant(scale, round(-low / scale))

    def store(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        return np.clip(np.rint(values / np.float32(self.scale)) + self.zero_point, 0, 255).astype(np.uint8)


@dataclass
class Network:
    """lines and weights: of compile_network.cc. reference: an ONNX model from uint8 to uint8."""

    lines: list[str] = field(default_factory=list)
    weights: bytearray = field(default_factory=bytearray)
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    quants: dict[str, Quant] = field(default_factory=dict)
    ports: list[Any] = field(default_factory=list)

    def tensor(self, kind: str, name: str, shape: tuple[int, ...], quant: Quant) -> None:
        self.quants[name] = quant
        sizes = " ".join(map(str, shape))
        self.lines.append(f"{kind} {_word(name)} uint8 {sizes} {quant.scale!r} {quant.zero_point}")
        if kind != "inner":
            self.ports.append(helper.make_tensor_value_info(name, TensorProto.UINT8, shape))

    def constant(self, name: str, values: NDArray[Any], scale: float, zero_point: int) -> None:
        """Both forms get the same stored numbers; vectors have no N, C and H."""
        shape = values.shape if values.ndim == 4 else (0, 0, 0, *values.shape)
        sizes = " ".join(map(str, shape))
        self.lines.append(f"constant {_word(name)} {values.dtype} {sizes} {scale!r} {zero_point} {len(self.weights)}")
        self.weights += values.tobytes()
        self.constants.append(numpy_helper.from_array(values, name))

    def parameters(self, name: str, quant: Quant) -> list[str]:
        """Names of scale and zero point as ONNX has them."""
        if not any(each.name == f"{name}.scale" for each in self.constants):
            self.constants.append(numpy_helper.from_array(np.float32(quant.scale), f"{name}.scale"))
            self.constants.append(numpy_helper.from_array(np.uint8(quant.zero_point), f"{name}.zero_point"))
        return [f"{name}.scale", f"{name}.zero_point"]

    def reference(self) -> bytes:
        graph = helper.make_graph(self.nodes, "quantized", self.ports[:1], self.ports[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def first_layers(model: onnx.ModelProto, last: str, picture: NDArray[np.float32]) -> Network:
    """The network up to the tensor `last`, its ranges measured on one picture."""
    nodes = _up_to(model, last)
    values = _run_float(model, nodes, picture)
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    after_relu = {node.input[0]: node.output[0] for node in nodes if node.op_type == "Relu"}

    network = Network()
    source = model.graph.input[0].name
    network.tensor("input", source, picture.shape, Quant(1.0, 0))
    for node in nodes:
        if node.op_type == "Relu":
            continue
        out = after_relu.get(node.output[0], node.output[0])
        quant = Quant.covering(float(values[out].min()), float(values[out].max()))
        network.tensor("output" if out == last else "inner", out, values[out].shape, quant)
        if node.op_type == "Conv":
            _add_conv(network, node, stored, out)
        else:
            _add_sum(network, node, out)
    return network


def run_reference(network: Network, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every operator as it is written, none fused."""
    (result,) = _session(network.reference()).run(None, {network.ports[0].name: stored})
    assert isinstance(result, np.ndarray)
    return result


def _add_conv(network: Network, node: Any, stored: dict[str, NDArray[Any]], out: str) -> None:
    facts = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    source, kernel, bias = node.input
    weights = stored[kernel].astype(np.float32)
    quant = _weight_quant(weights, network.quants[source], network.quants[out])
    step = float(np.float32(network.quants[source].scale) * np.float32(quant.scale))
    depthwise = facts["group"] > 1
    network.constant(kernel, quant.store(weights), quant.scale, quant.zero_point)
    network.constant(bias, np.rint(stored[bias] / step).astype(np.int32), step, 0)
    (stride, _), pads = facts["strides"], facts["pads"]
    network.lines.append(
        f"conv {_word(source)} {_word(kernel)} {_word(bias)} {_word(out)} {stride} {pads[0]} {pads[2]} {int(depthwise)}"
    )
    inputs = [source, *network.parameters(source, network.quants[source])]
    inputs += [kernel, *network.parameters(kernel, quant), *network.parameters(out, network.quants[out]), bias]
    network.nodes.append(helper.make_node("QLinearConv", inputs, [out], **facts))


def _weight_quant(weights: NDArray[np.float32], source: Quant, out: Quant) -> Quant:
    """Its scale is rounded up until the layer's multiplier, source x weights / out, has 7 significant bits.

    The NPU multiplies with few bits. Measured on the layers of the test: 1 step of 255 away from ONNX Runtime at most;
    5 in single numbers where the multiplier was left as it came.
    """
    low, high = min(float(weights.min()), 0.0), max(float(weights.max()), 0.0)
    fraction, exponent = math.frexp((high - low) / 255 * source.scale / out.scale)
    multiplier = math.ldexp(math.ceil(fraction * (1 << _MULTIPLIER_BITS)), exponent - _MULTIPLIER_BITS)
    scale = float(np.float32(multiplier * out.scale / source.scale))
    return Quant(scale, round(-low / scale))


def _add_sum(network: Network, node: Any, out: str) -> None:
    network.lines.append(f"add {_word(node.input[0])} {_word(node.input[1])} {_word(out)}")
    terms = []
    for number, name in enumerate(node.input):
        terms.append(f"{out}.term{number}")
        inputs = [name, *network.parameters(name, network.quants[name])]
        network.nodes.append(helper.make_node("DequantizeLinear", inputs, terms[-1:]))
    network.nodes.append(helper.make_node("Add", terms, [f"{out}.sum"]))
    inputs = [f"{out}.sum", *network.parameters(out, network.quants[out])]
    network.nodes.append(helper.make_node("QuantizeLinear", inputs, [out]))


def _up_to(model: onnx.ModelProto, last: str) -> list[Any]:
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if last in node.output:
            return nodes
    msg = f"the model has no tensor {last}"
    raise ValueError(msg)


def _run_float(
    model: onnx.ModelProto, nodes: list[Any], picture: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    names = [name for node in nodes for name in node.output]
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.output[:]
    cut.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    for size, dimension in zip(picture.shape, cut.graph.input[0].type.tensor_type.shape.dim, strict=True):
        dimension.dim_value = size
    results = _session(cut.SerializeToString()).run(None, {cut.graph.input[0].name: picture})
    return dict(zip(names, results, strict=True))


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _QUIET
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _word(name: str) -> str:
    return name.replace(" ", "_")


def affine() -> Network:
    """y = 2 * x + 1 on 1x4, stored as int16 in halves: the contract suite's model."""
    network = Network()
    for kind, name in (("input", "x"), ("output", "y"), ("inner", "doubled")):
        network.lines.append(f"{kind} {name} int16 0 0 1 4 1 0")
    for name, halves in (("two", 4), ("one", 2)):
        network.lines.append(f"constant {name} int16 0 0 1 1 1 0 {len(network.weights)}")
        network.weights += np.int16(halves).tobytes()
    network.lines += ["multiply x two doubled", "add doubled one y"]
    return network
