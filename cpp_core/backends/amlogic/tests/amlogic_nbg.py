"""Writes NBG files that say what their caller wants: sound headers around a program that only the stand-in runs.

The layout, with its sources, is model_file.cc's. Nothing here comes out of the vendor's compiler.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

A311D = 0x88
NEWEST = 0x00010020
CHECKSUM_AT = 0x6C
SECTIONS_AT = 0x178
FORMATS = {"float32": 0, "float16": 1, "uint8": 2, "int8": 3, "int16": 5, "int32": 8}
NONE, FIXED_POINT, AFFINE = 0, 1, 2
STAND_IN_MAGIC = b"stand-in affine\0"

_SECTIONS = {0x0001000F: 17, 0x0001001E: 27, 0x00010020: 34}  # by version, as seen in files
_PROGRAM_SECTION = 5
_LAYER = struct.Struct("<64s3I")
_OPERATION_BYTES = {0x0001000F: 24, 0x0001001E: 32, 0x00010020: 32}


@dataclass(frozen=True)
class Port:
    """shape: outermost first. position: of the binary point, where quant is FIXED_POINT."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    quant: int = NONE
    position: int = 0
    scale: float = 1.0
    zero_point: int = 0
    kind: int = 0

    def entry(self) -> bytes:
        sizes = (*reversed(self.shape), *[1] * (6 - len(self.shape)))
        facts = (FORMATS[self.dtype], self.kind, self.quant, self.position, self.scale, self.zero_point)
        return struct.pack("<I6I3Iifi64s", len(self.shape), *sizes, *facts, self.name.encode())


def affine_program(factor: float, offset: float) -> bytes:
    """y = factor * x + offset, element by element, for the stand-in."""
    return STAND_IN_MAGIC + struct.pack("<2f", factor, offset)


def nbg(
    inputs: tuple[Port, ...],
    outputs: tuple[Port, ...],
    program: bytes = b"",
    *,
    target: int = A311D,
    version: int = NEWEST,
) -> bytes:
    count = _SECTIONS[version]
    layer = _LAYER.pack(b"layer", 0, 1, 0)
    contents = {
        0: b"".join(port.entry() for port in inputs),
        1: b"".join(port.entry() for port in outputs),
        2: layer,
        3: bytes(_OPERATION_BYTES[version]),
        _PROGRAM_SECTION: program,
    }
    header = struct.pack("<4s2I64s4I", b"VPMN", version, target, b"edgecore", 1, 1, len(inputs), len(outputs))
    header = header.ljust(SECTIONS_AT, b"\0")
    offset = SECTIONS_AT + count * 8
    table, body = b"", b""
    for index in range(count):
        content = contents.get(index, b"")
        table += struct.pack("<2I", offset + len(body), len(content))
        body += content
    return sealed(header + table + body) if version >= 0x0001001E else header + table + body


def sealed(blob: bytes) -> bytes:
    """With the checksum that its bytes have."""
    blank = blob[:CHECKSUM_AT] + bytes(4) + blob[CHECKSUM_AT + 4 :]
    return blob[:CHECKSUM_AT] + struct.pack("<I", zlib.crc32(blank)) + blob[CHECKSUM_AT + 4 :]
