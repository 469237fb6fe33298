"""Every model of this backend's tests, converted: `run` in this folder starts it.

Small ones are kept in the repository as far as they are not the maker's (sophon_models.py); the face detector is made
where it is needed, in the cache. models.lock says what each has to be, to the byte.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml
from converter import Converter
from network import Network
from pictures import BIKES, CALIBRATION
from sophon_models import CHIPS, HERE, LockedModel, check, cut, load_lock

from edgebuild.digest import digest_of, sha256_file
from edgebuild.errors import EdgebuildError
from edgebuild.log import Log
from edgebuild.workspace import Workspace, write_atomic
from tests import data

AFFINE = HERE.parents[1] / "cpu" / "tests" / "affine.onnx"
SMALL = HERE / "small.onnx"
FACE_TABLE = HERE / "convert" / "centerface.table"  # calibrated ranges: text, ours
# What INT8 models keep in F32 (the converter's --quantize_table), and how much resolution an output may lose for its
# weights' sake (Network.fitted). Chosen on pictures.CHOICE for BM1684, whose weights have one step a layer; the same on
# the other chips, where it does no harm.
FLOAT_LAYERS = (
    # Of all layers their channels differ most, and no later one brings back what they lose.
    *("365_Relu", "368_Relu", "376_Relu", "377_Conv"),
    # Its bias is so large against its output that weights have 5 of 8 bits left.
    "511_Relu",
    # For BM1684 tpu-mlir 1.6 ends a transposed convolution with ReLU at half of its output's range.
    *("514_Relu", "521_Relu", "528_Relu"),
    # Sizes are logarithms: one step of 8 bits is 4 % of a size.
    *("536_Conv", "537_Sigmoid", "538_Conv", "539_Conv", "540_Conv"),
)
MOST_RAISED = 1.4
_SHAPE = (1, 3, data.FACE_HEIGHT_PX, data.FACE_WIDTH_PX)
_RECIPE = ("converter.py", "convert_models.py", "network.py", "packages.lock", "centerface.table")


def small_models(converter: Converter, folder: Path) -> Iterator[tuple[str, bytes]]:
    affine = converter.transform(AFFINE, "affine", (1, 4), folder)
    small = converter.transform(SMALL, "small", (1, 3, 32, 32), folder)
    for chip in CHIPS:
        yield f"affine-{chip}", converter.deploy(affine, chip, "F32")
        yield f"small-{chip}", converter.deploy(small, chip, "F32")
    yield "small2cores-bm1688", converter.deploy(small, "bm1688", "F32", "--num_core", "2")


def face_models(converter: Converter, folder: Path, ws: Workspace) -> Iterator[tuple[str, bytes]]:
    face = converter.transform(data.provide_face_model(ws) / "centerface.onnx", "centerface", _SHAPE, folder)
    network = equalized(ws)
    even = transform_equalized(converter, network, folder)
    layers, table = folder / "layers", folder / "table"
    layers.write_text("".join(f"{layer} F32\n" for layer in FLOAT_LAYERS))
    table.write_text(fitted(FACE_TABLE.read_text(), network))
    mixed = ("--calibration_table", table, "--quantize_table", layers)
    for chip in CHIPS:
        yield f"centerface-f32-{chip}", converter.deploy(face, chip, "F32")
        yield f"centerface-int8-{chip}", converter.deploy(even, chip, "INT8", *mixed)


def equalized(ws: Workspace) -> Network:
    network = Network(data.provide_face_model(ws) / "centerface.onnx")
    network.equalize()
    return network


def transform_equalized(converter: Converter, network: Network, folder: Path) -> Path:
    network.save(folder / "equalized.onnx")
    return converter.transform(folder / "equalized.onnx", "centerface8", _SHAPE, folder)


def fitted(table: str, network: Network) -> str:
    """The table with raised thresholds: lines of name, threshold, least and largest value."""
    rows = {name: rest for name, *rest in (line.split() for line in table.splitlines() if not line.startswith("#"))}
    thresholds = {name: float(threshold) for name, (threshold, _, _) in rows.items()}
    signed = [name for name, (_, least, _) in rows.items() if float(least) < 0]
    raised = network.fitted(thresholds, signed, MOST_RAISED)
    return "".join(f"{name} {raised[name]:.7f} {' '.join(rest[1:])}\n" for name, rest in rows.items())


def float_share(ws: Workspace) -> float:
    """Of an INT8 model's multiply-adds, those in F32."""
    counts = Network(data.provide_face_model(ws) / "centerface.onnx").multiply_adds()
    return sum(counts[layer] for layer in FLOAT_LAYERS if layer in counts) / sum(counts.values())


def calibrate(converter: Converter, folder: Path, ws: Workspace) -> None:
    """Writes FACE_TABLE: the largest value of every tensor on pictures.CALIBRATION."""
    face = transform_equalized(converter, equalized(ws), folder)
    inputs = folder / "inputs"
    inputs.mkdir()
    video = data.provide_videos(ws) / BIKES
    sizes = map(str, (data.FACE_WIDTH_PX, data.FACE_HEIGHT_PX))
    script = HERE / "convert" / "calibration_frames.py"
    converter.script(script, video, inputs, *sizes, "input.1", *(f"{n}:{x}:{y}" for n, (x, y) in CALIBRATION.items()))
    converter.calibrate(face, inputs, folder / "table")
    lines = (folder / "table").read_text().splitlines(keepends=True)
    write_atomic(FACE_TABLE, "".join(line for line in lines if "time:" not in line))


def provide_face_models(ws: Workspace) -> Path:
    """Folder with centerface-{f32,int8}-CHIP.bmodel, each with the locked digest."""
    lock = load_lock()
    inputs = (HERE / "models.lock", *(HERE / "convert" / name for name in _RECIPE))
    key = digest_of([sha256_file(each) for each in inputs])

    def make(folder: Path) -> None:
        converter = Converter.provide(ws)
        with ws.scratch("convert") as scratch:
            for name, content in face_models(converter, scratch, ws):
                check(name, content, lock[name])
                (folder / f"{name}.bmodel").write_bytes(content)

    return ws.provide("testdata", "sophon-face", key, make, "Converting the face detector for three chips")


def keep(name: str, content: bytes, ws: Workspace) -> LockedModel:
    """Writes what of a small model may be kept here."""
    part, member, cut_at = cut(content, ws)
    place = (
        HERE / "affine.bmodel"
        if name == "affine-bm1684"
        else HERE / "parts" / f"{name}.{'part' if member else 'bmodel'}"
    )
    write_atomic(place, part)
    return LockedModel(locked(content).sha256, len(content), member, cut_at)


def locked(content: bytes) -> LockedModel:
    return LockedModel(hashlib.sha256(content).hexdigest(), len(content))


def write_lock(ws: Workspace, converter: Converter, scratch: Path) -> None:
    lock = {name: keep(name, content, ws) for name, content in small_models(converter, scratch)}
    lock |= {name: locked(content) for name, content in face_models(converter, scratch, ws)}
    head = "# Made by convert/run --lock. What every converted model is, whole, to the byte.\n"
    write_atomic(HERE / "models.lock", head + yaml.safe_dump(msgspec.to_builtins(lock), sort_keys=True))


def main(words: list[str]) -> int:
    ws = Workspace.open(project=Path.cwd(), out=None, log=Log())
    converter = Converter.provide(ws)
    with ws.scratch("convert") as scratch:
        match words:
            case ["--calibrate"]:
                calibrate(converter, scratch, ws)
            case ["--lock"]:
                write_lock(ws, converter, scratch)
            case []:
                lock = load_lock()
                for name, content in small_models(converter, scratch):
                    check(name, content, lock[name])
                provide_face_models(ws)
                print(f"{len(lock)} models are what models.lock says")
            case _:
                print("usage: run [--calibrate | --lock]", file=sys.stderr)
                return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EdgebuildError as err:
        print(f"error: {err}\n  hint: {err.hint}", file=sys.stderr)
        sys.exit(err.exit_code)
