#!/usr/bin/env python3
"""Write a plan of the stand-in (stand_in/): laid out as TensorRT lays out its own (../model_file.h), with ONNX inside.

make_plan.py ONNX PLAN RELEASE   RELEASE: 8.0.1, 8.6.1, 10.15.1, ...
make_plan.py                     writes tests/affine.plan of both modules from the `cpu` backend's affine.onnx
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

BACKENDS = Path(__file__).resolve().parents[2]
AFFINE = {"tensorrt8": (8, 6, 1), "tensorrt10": (10, 15, 1)}

# As seen or reported; that of 8.0 is not known, any number before 205 will do here.
ARCHIVE_VERSIONS = {
    (8, 0): 200,
    (8, 2): 205,
    (8, 4): 213,
    (8, 5): 232,
    (8, 6): 236,
    (10, 0): 237,
    (10, 3): 239,
    (10, 15): 240,
}
FIRST_SHORT_HEADER = 240
FIRST_CONTAINER = (8, 6)
U8, I32, U64, I64 = 0x18002, 0x18007, 0x18008, 0x18009
DEVICE_BEGIN, DEVICE_PROPERTIES, OTHER = 0x18012, 0x18010, 0x180D2
MARK = b"stand-in: ONNX follows\n"


def make_plan(onnx: bytes, release: tuple[int, int, int], *, capability: tuple[int, int] = (8, 7)) -> bytes:
    version = ARCHIVE_VERSIONS[release[:2]]
    build = (*release, 0)
    in_container = release[:2] >= FIRST_CONTAINER
    records = b"".join(struct.pack("<IB", U8, number) for number in build)
    if in_container:
        records += struct.pack("<III", OTHER, I32, 0)
    records += struct.pack("<II", DEVICE_BEGIN, DEVICE_PROPERTIES)
    if version >= FIRST_SHORT_HEADER:  # memory, caches, clocks and the like come first
        records += b"".join(struct.pack("<IQ", tag, 0) for tag in (I64, U64, U64)) + 9 * struct.pack("<II", I32, 0)
    records += struct.pack("<IIII", I32, capability[0], I32, capability[1])
    body = records + MARK + struct.pack("<Q", len(onnx)) + onnx
    if version >= FIRST_SHORT_HEADER:
        archive = struct.pack("<4sIQI", b"ptrt", version, len(body), 0) + body
    else:
        archive = struct.pack("<4sIIIQ", b"ptrt", 0, version, 0, len(body)) + body
    return make_container(archive, build) if in_container else archive


def make_container(engine: bytes, build: tuple[int, ...]) -> bytes:
    """One section, as until 10.3; later plans have one of weights, too, which nothing here reads."""
    start = 32 + 24
    size = -(-(start + len(engine)) // 8) * 8 + 4
    head = struct.pack("<4sIQQ4BI", b"ftrt", 0, 1, size, *build, 0)
    table = struct.pack("<4sIQQ", b"NGNE", 0, start, len(engine))
    return (head + table + engine).ljust(size - 4, b"\0") + bytes(byte ^ 0xFF for byte in b"ftrt")


def parse_release(text: str) -> tuple[int, int, int]:
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


if __name__ == "__main__":
    if len(sys.argv) == 4:
        Path(sys.argv[2]).write_bytes(make_plan(Path(sys.argv[1]).read_bytes(), parse_release(sys.argv[3])))
    elif len(sys.argv) == 1:
        affine = (BACKENDS / "cpu" / "tests" / "affine.onnx").read_bytes()
        for module, release in AFFINE.items():
            (BACKENDS / module / "tests" / "affine.plan").write_bytes(make_plan(affine, release))
    else:
        sys.exit(__doc__)
