"""A network rewritten for 8 bits: the same function, its channels brought to like ranges.

BM1684 gives all weights of a layer one step, a power of two of its input's and output's. A channel of small weights
then keeps two or three bits. Since ReLU and Add commute with a positive factor, a channel can be divided by it in one
layer and multiplied in the next (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", arXiv:1906.04721, 4.1). Only +, *, / and sqrt, which every machine rounds alike: models.lock asks for the
same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference

Doubles = NDArray[np.float64]

_ROUNDS = 100
_LEAST = 1e-8  # of a channel that is all zeros
_SHIFT_AT = 126.4  # weights of 8 bits with what rounding may add
_BIAS_AT = 32767  # biases have 16


class Network:
    """An ONNX file of Conv, ConvTranspose, Relu, Add and Sigmoid, with its weights in double precision."""

    def __init__(self, path: Path) -> None:
        self._model = onnx.load(path)
        self.weights: dict[str, Doubles] = {
            each.name: numpy_helper.to_array(each).astype(np.float64) for each in self._graph.initializer
        }
        self._fold_normalizations()
        self._merge_linear_pairs()

    @property
    def _graph(self) -> onnx.GraphProto:
        return self._model.graph

    def save(self, path: Path) -> None:
        used = {name for node in self._graph.node for name in node.input}
        del self._graph.initializer[:]
        kept = sorted(self.weights.keys() & used)
        self._graph.initializer.extend(
            numpy_helper.from_array(self.weights[name].astype(np.float32), name) for name in kept
        )
        onnx.checker.check_model(self._model)
        onnx.save(self._model, path)

    def equalize(self) -> None:
        """Until each channel's largest weight is as near to its layer's largest behind it as before it."""
        scales = {group: np.ones(size) for group, size in self._free_groups().items()}
        for _ in range(_ROUNDS):
            for group, scale in scales.items():
                written, read = self._channel_ranges(group, scales)
                factor = np.sqrt(np.maximum(written, _LEAST) / np.maximum(read, _LEAST))
                scale *= factor / np.median(factor)
        for node in self._convolutions():
            self.weights[node.input[1]] = self._scaled(node, scales)
            self._set_bias(node, self._bias(node) / self._scale(node.output[0], scales))

    def fitted(self, thresholds: Mapping[str, float], signed: Iterable[str], most: float) -> dict[str, float]:
        """Thresholds, raised by up to `most` where that gives a layer's weights the bit they just fall short of.

        A layer has the largest shift with which weights fit 8 bits and biases 16, so its largest weight lies between 64
        and 127: at 65, one more bit costs the output 2 % of its resolution. Keys: the converter's names.
        """
        found = dict(thresholds)
        names = self._converter_names()
        steps = dict.fromkeys(found, 255.0) | dict.fromkeys(signed, 127.0)
        for node in self._convolutions():
            source, target = names[node.input[0]], names[node.output[0]]
            bias = np.abs(self._bias(node)).max()
            of_output = found[target] / steps[target]
            weight = np.abs(self.weights[node.input[1]]).max() * found[source] / steps[source] / of_output
            bias /= of_output
            shift = 1.0
            while weight * shift * 2 <= _SHIFT_AT and bias * shift * 2 <= _BIAS_AT:
                shift *= 2
            missing = max(weight * shift * 2 / _SHIFT_AT, bias * shift * 2 / _BIAS_AT)
            if missing <= most:
                found[target] *= missing * 1.0005
        return found

    def multiply_adds(self) -> dict[str, int]:
        """Of one run, by the converter's name of the layer."""
        plain = onnx.ModelProto()
        plain.CopyFrom(self._model)
        for each in plain.graph.output:  # whose sizes have names, which inference would keep
            each.type.tensor_type.ClearField("shape")
        inferred = shape_inference.infer_shapes(plain, strict_mode=True).graph
        sizes = {
            each.name: [axis.dim_value for axis in each.type.tensor_type.shape.dim]
            for each in (*inferred.value_info, *inferred.output)
        }
        names = self._converter_names()
        found = {}
        for node in self._convolutions():
            # Each weight meets each place of the output once, of a ConvTranspose with strides each place of the input.
            tensor = node.output[0] if node.op_type == "Conv" else node.input[0]
            height, width = sizes[tensor][2:]
            found[names[node.output[0]]] = int(self.weights[node.input[1]].size) * height * width
        return found

    def _convolutions(self) -> list[onnx.NodeProto]:
        return [node for node in self._graph.node if node.op_type in ("Conv", "ConvTranspose")]

    def _readers(self) -> dict[str, list[onnx.NodeProto]]:
        found = defaultdict(list)
        for node in self._graph.node:
            for name in node.input:
                found[name].append(node)
        return found

    def _activated(self) -> dict[str, str]:
        """Output of a layer -> output of the ReLU that alone reads it."""
        readers = self._readers()
        return {name: nodes[0].output[0] for name, nodes in readers.items() if [n.op_type for n in nodes] == ["Relu"]}

    def _converter_names(self) -> dict[str, str]:
        """It makes one layer of a layer and its ReLU, and adds the operator to the name."""
        names = {each.name: each.name for each in self._graph.input}
        names |= {node.output[0]: f"{node.output[0]}_{node.op_type}" for node in self._graph.node}
        return names | {name: names[relu] for name, relu in self._activated().items()}

    def _groups(self) -> dict[str, str]:
        """Tensor -> the tensor that stands for all that must share its channels' scales."""
        parent: dict[str, str] = {}

        def find(name: str) -> str:
            while parent.setdefault(name, name) != name:
                name = parent[name]
            return name

        for node in self._graph.node:
            for name in (*node.input, *node.output):
                find(name)
            if node.op_type in ("Relu", "Add"):
                for name in node.input:
                    parent[find(name)] = find(node.output[0])
        return {name: find(name) for name in parent}

    def _free_groups(self) -> dict[str, int]:
        """Those that may be scaled, with their number of channels: neither input nor output of the network."""
        self._group = self._groups()
        fixed = {self._group[each.name] for each in (*self._graph.input, *self._graph.output)}
        fixed |= {self._group[node.input[0]] for node in self._graph.node if node.op_type == "Sigmoid"}
        found = {}
        for node in self._convolutions():
            group = self._group[node.output[0]]
            if group not in fixed:
                found[group] = self.weights[node.input[1]].shape[0 if node.op_type == "Conv" else 1]
        return found

    def _scale(self, tensor: str, scales: Mapping[str, Doubles]) -> Doubles | float:
        return scales.get(self._group[tensor], 1.0)

    def _scaled(self, node: onnx.NodeProto, scales: Mapping[str, Doubles]) -> Doubles:
        """Its weights when what it reads is divided by its channels' scales, and what it writes is, too."""
        read = np.reshape(self._scale(node.input[0], scales), _shape(_input_axis(node)))
        written = np.reshape(self._scale(node.output[0], scales), _shape(_output_axis(node)))
        scaled: Doubles = self.weights[node.input[1]] * read / written
        return scaled

    def _channel_ranges(self, group: str, scales: Mapping[str, Doubles]) -> tuple[Doubles, Doubles]:
        """Largest weight of each channel where it is written and where it is read, of the layer's largest."""
        written, read = [np.zeros_like(scales[group])], [np.zeros_like(scales[group])]
        for node in self._convolutions():
            for tensor, axis, ranges in (
                (node.output[0], _output_axis(node), written),
                (node.input[0], _input_axis(node), read),
            ):
                if self._group[tensor] == group:
                    weights = np.abs(self._scaled(node, scales))
                    ranges.append(weights.max(axis=tuple({0, 1, 2, 3} - {axis})) / weights.max())
        return np.max(written, axis=0), np.max(read, axis=0)

    def _fold_normalizations(self) -> None:
        """BatchNormalization behind a convolution becomes its weights and bias."""
        writers = {node.output[0]: node for node in self._graph.node}
        for node in [node for node in self._graph.node if node.op_type == "BatchNormalization"]:
            layer = writers[node.input[0]]
            scale, shift, mean, variance = (self.weights[name] for name in node.input[1:5])
            (epsilon,) = (each.f for each in node.attribute if each.name == "epsilon")
            factor = scale / np.sqrt(variance + epsilon)
            self.weights[layer.input[1]] = self.weights[layer.input[1]] * factor.reshape(_shape(_output_axis(layer)))
            self._set_bias(layer, (self._bias(layer) - mean) * factor + shift)
            self._remove(node, node.output[0], layer.output[0])

    def _merge_linear_pairs(self) -> None:
        """Two 1x1 convolutions with nothing between them are one, which the converter would see to after us."""
        readers = self._readers()
        writers = {node.output[0]: node for node in self._graph.node}
        for second in self._convolutions():
            first = writers.get(second.input[0])
            if first is None or len(readers[first.output[0]]) > 1 or not (_is_1x1(first) and _is_1x1(second)):
                continue
            inner, outer = (self.weights[node.input[1]][:, :, 0, 0] for node in (first, second))
            # Not @: it adds in an order of its machine's.
            merged = sum(outer[:, [k]] * inner[[k], :] for k in range(len(inner)))
            bias = sum(outer[:, k] * self._bias(first)[k] for k in range(len(inner)))
            self.weights[second.input[1]] = np.asarray(merged)[:, :, None, None]
            self._set_bias(second, bias + self._bias(second))
            second.input[0] = first.input[0]
            self._graph.node.remove(first)

    def _bias(self, layer: onnx.NodeProto) -> Doubles:
        if len(layer.input) > 2:
            return self.weights[layer.input[2]]
        return np.zeros(self.weights[layer.input[1]].shape[_output_axis(layer)])

    def _set_bias(self, layer: onnx.NodeProto, bias: Doubles) -> None:
        del layer.input[2:]
        layer.input.append(f"{layer.output[0]}.bias")
        self.weights[layer.input[2]] = bias

    def _remove(self, node: onnx.NodeProto, tensor: str, instead: str) -> None:
        self._graph.node.remove(node)
        for other in self._graph.node:
            for index, name in enumerate(other.input):
                if name == tensor:
                    other.input[index] = instead


def _attribute(node: onnx.NodeProto, name: str) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), 1)


def _is_1x1(node: onnx.NodeProto) -> bool:
    kernel = next((list(each.ints) for each in node.attribute if each.name == "kernel_shape"), [])
    return node.op_type == "Conv" and kernel == [1, 1] and _attribute(node, "group") == 1


def _output_axis(node: onnx.NodeProto) -> int:
    return 0 if node.op_type == "Conv" else 1


def _input_axis(node: onnx.NodeProto) -> int:
    """Of a depthwise convolution that of its outputs: each channel reads itself alone."""
    return _output_axis(node) if _attribute(node, "group") > 1 else 1 - _output_axis(node)


def _shape(axis: int) -> tuple[int, ...]:
    """To put channels, or one number for all of them, along an axis of weights."""
    return tuple(-1 if each == axis else 1 for each in range(4))
