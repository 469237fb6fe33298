#!/usr/bin/env python3
"""Write affine.onnx, the contract suite's model: y = 2 * x + 1 on float32 1x4.

Encoded by hand, so that no onnx package is needed. Field numbers: onnx/onnx.proto3 of ONNX 1.12
(IR version 8, operator set 13). Run it from anywhere: it writes beside itself.
"""

import struct
from pathlib import Path

FLOAT = 1
IR_VERSION = 8
OPSET = 13


def varint(number: int) -> bytes:
    """Little-endian groups of seven bits."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def integer(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def message(field: int, *parts: bytes | str) -> bytes:
    body = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return varint(field << 3 | 2) + varint(len(body)) + body


def node(operator: str, inputs: tuple[str, ...], output: str) -> bytes:
    names = (message(1, name) for name in inputs)
    return message(1, *names, message(2, output), message(4, operator))


def constant(name: str, number: float) -> bytes:
    raw = struct.pack("<f", number)
    return message(5, integer(1, 1), integer(2, FLOAT), message(8, name), message(9, raw))


def port(field: int, name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = (message(1, integer(1, size)) for size in shape)
    tensor = message(1, integer(1, FLOAT), message(2, *dimensions))
    return message(field, message(1, name), message(2, tensor))


def affine_model() -> bytes:
    graph = message(
        7,
        node("Mul", ("x", "two"), "doubled"),
        node("Add", ("doubled", "one"), "y"),
        message(2, "affine"),
        constant("two", 2.0),
        constant("one", 1.0),
        port(11, "x", (1, 4)),
        port(12, "y", (1, 4)),
    )
    return integer(1, IR_VERSION) + graph + message(8, integer(2, OPSET))


if __name__ == "__main__":
    Path(__file__).with_name("affine.onnx").write_bytes(affine_model())
