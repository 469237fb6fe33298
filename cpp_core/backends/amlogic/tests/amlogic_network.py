"""A quantized network in two forms that mean the same: lines for compile_network.cc, and ONNX for ONNX Runtime.

Activations and weights are uint8 with one scale and zero point a tensor; a ReLU is the saturation at a zero point of 0;
biases are int32 in steps of input x weight.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from amlogic_arithmetic import weight_scale
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET = 13
_QUIET = 3


@dataclass(frozen=True)
class Quant:
    """real = (stored - zero_point) * scale, stored in 0..255."""

    scale: float
    zero_point: int

    def store(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        return np.clip(np.rint(values / np.float32(self.scale)) + self.zero_point, 0, 255).astype(np.uint8)

    def real(self, stored: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (stored.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


@dataclass(frozen=True)
class Layer:
    """kind: conv, deconv, add or sigmoid. weights: [out, in, h, w] as ONNX has them, of a deconv [in, out, h, w].

    pads: top, left, bottom, right.
    """

    kind: str
    inputs: tuple[str, ...]
    out: str
    weights: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    bias: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    stride: int = 1
    pads: tuple[int, ...] = (0, 0, 0, 0)
    group: int = 1


@dataclass
class Network:
    """lines and weights: of compile_network.cc. reference(): an ONNX model from uint8 to uint8."""

    lines: list[str] = field(default_factory=list)
    weights: bytearray = field(default_factory=bytearray)
    quants: dict[str, Quant] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _nodes: list[Any] = field(default_factory=list)
    _constants: dict[str, Any] = field(default_factory=dict)
    _inputs: list[Any] = field(default_factory=list)
    _outputs: list[Any] = field(default_factory=list)

    def tensor(self, kind: str, name: str, shape: tuple[int, ...], quant: Quant) -> None:
        """kind: input, output or inner."""
        self.quants[name], self.shapes[name] = quant, shape
        self.lines.append(f"{kind} {name} uint8 {' '.join(map(str, shape))} {quant.scale!r} {quant.zero_point}")
        ports = {"input": self._inputs, "output": self._outputs, "inner": []}[kind]
        ports.append(helper.make_tensor_value_info(name, TensorProto.UINT8, shape))
        self._parameters(name, quant)

    def constant(self, name: str, values: NDArray[Any], scale: float, zero_point: int) -> None:
        """A vector has no N, C and H."""
        shape = values.shape if values.ndim == 4 else (0, 0, 0, *values.shape)
        sizes = " ".join(map(str, shape))
        self.lines.append(f"constant {name} {values.dtype} {sizes} {scale!r} {zero_point} {len(self.weights)}")
        self.weights += values.tobytes()

    def layer(self, layer: Layer) -> None:
        """Its output is a tensor already."""
        if layer.kind in ("conv", "deconv"):
            self._add_convolution(layer)
        else:
            self.lines.append(f"{layer.kind} {' '.join(layer.inputs)} {layer.out}")
            self._add_in_float(layer, {"add": "Add", "sigmoid": "Sigmoid"}[layer.kind])

    def reference(self) -> bytes:
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "quantized", self._inputs, self._outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(port.name for port in self._outputs)

    def run_reference(self, inputs: list[NDArray[np.float32]]) -> list[dict[str, NDArray[np.uint8]]]:
        """By ONNX Runtime, every operator as it is written, none fused. One answer an input."""
        (port,), runner = self._inputs, session(self.reference())
        runs = [runner.run(None, {port.name: self.quants[port.name].store(each)}) for each in inputs]
        return [dict(zip(self.outputs, run, strict=True)) for run in runs]

    def _add_convolution(self, layer: Layer) -> None:
        (source,), out = layer.inputs, layer.out
        low, high = min(float(layer.weights.min()), 0.0), max(float(layer.weights.max()), 0.0)
        scale = weight_scale((high - low) / 255, source=self.quants[source].scale, out=self.quants[out].scale)
        quant = Quant(scale, round(-low / scale))
        step = float(np.float32(self.quants[source].scale) * np.float32(quant.scale))
        kernel, bias = f"{out}.kernel", f"{out}.bias"
        weights, biases = quant.store(layer.weights), np.rint(layer.bias / step).astype(np.int32)
        # TIM-VX wants the output's channels outermost.
        outermost = weights.swapaxes(0, 1) if layer.kind == "deconv" else weights
        self.constant(kernel, outermost, quant.scale, quant.zero_point)
        self.constant(bias, biases, step, 0)
        self._store(bias, biases)
        if layer.kind == "conv":
            facts = f"{layer.stride} {layer.pads[0]} {layer.pads[2]} {int(layer.group > 1)}"
            self.lines.append(f"conv {source} {kernel} {bias} {out} {facts}")
            self._convolve(layer, weights, quant, out)
        else:
            _, channels, side, _ = weights.shape
            assert layer.stride == side
            self.lines.append(f"deconv {source} {kernel} {bias} {out} {side} {side} {channels}")
            # ONNX has no quantized one. Where its squares do not overlap, each place in them is a convolution of 1x1.
            flat = weights.transpose(2, 3, 1, 0).reshape(side * side * channels, -1, 1, 1)
            self._store(bias, np.tile(biases, side * side))
            self._convolve(replace(layer, stride=1), flat, quant, f"{out}.squares")
            self._nodes.append(helper.make_node("DepthToSpace", [f"{out}.squares"], [out], blocksize=side))

    def _convolve(self, layer: Layer, weights: NDArray[np.uint8], quant: Quant, result: str) -> None:
        kernel = f"{layer.out}.kernel"
        self._store(kernel, weights)
        names = [*self._with_parameters(layer.inputs[0]), *self._with_parameters(kernel, quant)]
        names += [*self._with_parameters(layer.out)[1:], f"{layer.out}.bias"]
        facts = {"strides": [layer.stride] * 2, "kernel_shape": weights.shape[2:], "group": layer.group}
        self._nodes.append(helper.make_node("QLinearConv", names, [result], pads=layer.pads, **facts))

    def _add_in_float(self, layer: Layer, operator: str) -> None:
        real = []
        for number, name in enumerate(layer.inputs):
            real.append(f"{layer.out}.real{number}")
            self._nodes.append(helper.make_node("DequantizeLinear", self._with_parameters(name), real[-1:]))
        result = f"{layer.out}.real"
        self._nodes.append(helper.make_node(operator, real, [result]))
        names = [result, *self._with_parameters(layer.out)[1:]]
        self._nodes.append(helper.make_node("QuantizeLinear", names, [layer.out]))

    def _store(self, name: str, values: NDArray[Any]) -> None:
        self._constants[name] = numpy_helper.from_array(np.asarray(values), name)

    def _parameters(self, name: str, quant: Quant) -> None:
        self._store(f"{name}.scale", np.float32(quant.scale))
        self._store(f"{name}.zero_point", np.uint8(quant.zero_point))

    def _with_parameters(self, name: str, quant: Quant | None = None) -> list[str]:
        """The tensor's name and those of its scale and zero point, as ONNX's operators take them."""
        if quant is not None:
            self._parameters(name, quant)
        return [name, f"{name}.scale", f"{name}.zero_point"]


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


def product(
    source: Quant,
    factor: Quant,
    out: Quant,
    weights: NDArray[np.uint8],
    biases: NDArray[np.int32],
    shape: tuple[int, ...],
) -> Network:
    """A convolution of 1x1 with these very numbers, whatever multiplier they come to. shape: of its input x."""
    network = Network()
    network.tensor("input", "x", shape, source)
    network.tensor("output", "y", (shape[0], len(weights), *shape[2:]), out)
    network.constant("kernel", weights, factor.scale, factor.zero_point)
    network.constant("bias", biases, float(np.float32(source.scale) * np.float32(factor.scale)), 0)
    network.lines.append("conv x kernel bias y 1 0 0 0")
    return network


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _QUIET
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
