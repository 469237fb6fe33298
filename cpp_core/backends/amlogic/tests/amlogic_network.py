"""A quantized network in two forms that mean the same: lines for compile_network.cc, and ONNX for ONNX Runtime.

Activations and weights are uint8 with one scale and zero point a tensor; a ReLU is the saturation at a zero point of 0;
biases are int32 in steps of input x weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
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

    @staticmethod
    def of_weights(weights: NDArray[np.float32], source: Quant, out: Quant) -> Quant:
        """Its scale is rounded up until the layer's multiplier, source x weights / out, has 7 significant bits.

        Chosen by trying, on the picture that the ranges come from: scales as they came gave 1 step of 255 between the
        emulator and ONNX Runtime, rounded to three digits (so that digests hold on every CPU) 4, multipliers of 8, 7
        and 6 bits 2, 1 and 1. That the NPU multiplies with few bits is a guess from that.
        """
        low, high = min(float(weights.min()), 0.0), max(float(weights.max()), 0.0)
        fraction, exponent = math.frexp((high - low) / 255 * source.scale / out.scale)
        multiplier = math.ldexp(math.ceil(fraction * (1 << _MULTIPLIER_BITS)), exponent - _MULTIPLIER_BITS)
        scale = float(np.float32(multiplier * out.scale / source.scale))
        return Quant(scale, round(-low / scale))

    def store(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        return np.clip(np.rint(values / np.float32(self.scale)) + self.zero_point, 0, 255).astype(np.uint8)


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
    _nodes: list[Any] = field(default_factory=list)
    _constants: dict[str, Any] = field(default_factory=dict)
    _inputs: list[Any] = field(default_factory=list)
    _outputs: list[Any] = field(default_factory=list)

    def tensor(self, kind: str, name: str, shape: tuple[int, ...], quant: Quant) -> None:
        """kind: input, output or inner."""
        self.quants[name] = quant
        self.lines.append(f"{kind} {name} uint8 {' '.join(map(str, shape))} {quant.scale!r} {quant.zero_point}")
        ports = {"input": self._inputs, "output": self._outputs, "inner": []}[kind]
        ports.append(helper.make_tensor_value_info(name, TensorProto.UINT8, shape))
        self._parameters(name, quant)

    def layer(self, layer: Layer) -> None:
        """Its output is a tensor already."""
        if layer.kind in ("conv", "deconv"):
            self._add_convolution(layer)
        else:
            self.lines.append(f"{layer.kind} {' '.join(layer.inputs)} {layer.out}")
            self._add_in_float(layer, {"add": "Add", "sigmoid": "Sigmoid"}[layer.kind], list(layer.inputs), {})

    def reference(self) -> bytes:
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "quantized", self._inputs, self._outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()

    def run_reference(self, stored: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        """By ONNX Runtime, every operator as it is written, none fused."""
        names = [port.name for port in self._outputs]
        results = session(self.reference()).run(None, {self._inputs[0].name: stored})
        return dict(zip(names, results, strict=True))

    def _add_convolution(self, layer: Layer) -> None:
        (source,), out = layer.inputs, layer.out
        quant = Quant.of_weights(layer.weights, self.quants[source], self.quants[out])
        step = float(np.float32(self.quants[source].scale) * np.float32(quant.scale))
        kernel, bias = f"{out}.kernel", f"{out}.bias"
        weights, biases = quant.store(layer.weights), np.rint(layer.bias / step).astype(np.int32)
        # TIM-VX wants the output's channels outermost.
        self._constant(
            kernel, weights.swapaxes(0, 1) if layer.kind == "deconv" else weights, quant.scale, quant.zero_point
        )
        self._constant(bias, biases, step, 0)
        facts = {"strides": [layer.stride] * 2, "kernel_shape": weights.shape[2:], "group": layer.group}
        if layer.kind == "conv":
            depthwise = int(layer.group > 1)
            pads = f"{layer.pads[0]} {layer.pads[2]}"
            self.lines.append(f"conv {source} {kernel} {bias} {out} {layer.stride} {pads} {depthwise}")
            self._store(kernel, weights)
            self._store(bias, biases)
            names = [*self._with_parameters(source), *self._with_parameters(kernel, quant)]
            names += [*self._with_parameters(out)[1:], bias]
            self._nodes.append(helper.make_node("QLinearConv", names, [out], pads=layer.pads, **facts))
        else:  # there is no quantized one in ONNX
            self.lines.append(
                f"deconv {source} {kernel} {bias} {out} {layer.stride} {weights.shape[2]} {weights.shape[1]}"
            )
            real = (weights.astype(np.float32) - np.float32(quant.zero_point)) * np.float32(quant.scale)
            self._store(kernel, real)
            self._store(bias, biases.astype(np.float32) * np.float32(step))
            self._add_in_float(layer, "ConvTranspose", [source], facts, kernel, bias)

    def _add_in_float(
        self, layer: Layer, operator: str, inputs: list[str], facts: Mapping[str, Any], *constants: str
    ) -> None:
        real = []
        for number, name in enumerate(inputs):
            real.append(f"{layer.out}.real{number}")
            self._nodes.append(helper.make_node("DequantizeLinear", self._with_parameters(name), real[-1:]))
        result = f"{layer.out}.real"
        self._nodes.append(helper.make_node(operator, [*real, *constants], [result], **facts))
        names = [result, *self._with_parameters(layer.out)[1:]]
        self._nodes.append(helper.make_node("QuantizeLinear", names, [layer.out]))

    def _constant(self, name: str, values: NDArray[Any], scale: float, zero_point: int) -> None:
        """A vector has no N, C and H."""
        shape = values.shape if values.ndim == 4 else (0, 0, 0, *values.shape)
        sizes = " ".join(map(str, shape))
        self.lines.append(f"constant {name} {values.dtype} {sizes} {scale!r} {zero_point} {len(self.weights)}")
        self.weights += values.tobytes()

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


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _QUIET
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
