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
from sophon_models import CHIPS, HERE, LockedModel, check, cut, load_lock

from edgebuild.digest import digest_of, sha256_file
from edgebuild.errors import EdgebuildError
from edgebuild.log import Log
from edgebuild.workspace import Workspace, write_atomic
from tests import data

AFFINE = HERE.parents[1] / "cpu" / "tests" / "affine.onnx"
SMALL = HERE / "small.onnx"
FACE_TABLE = HERE / "convert" / "centerface.table"  # calibrated ranges: text, ours
CALIBRATION_FRAMES = tuple(range(3, 250, 8))
# BM1684 scales by powers of two alone: with these first layers in INT8, too, it finds faces a third too large or small
# (mean IoU 0.65 with the F32 model, on the frames of prove_detector.py; 0.91 with them in F32; the other chips 0.93).
FLOAT_LAYERS = {"bm1684": ("365_Relu", "368_Relu", "373_Relu", "376_Relu", "377_Conv")}
_RECIPE = ("converter.py", "convert_models.py", "calibration_frames.py", "packages.lock", "centerface.table")


def small_models(converter: Converter, folder: Path) -> Iterator[tuple[str, bytes]]:
    affine = converter.transform(AFFINE, "affine", (1, 4), folder)
    small = converter.transform(SMALL, "small", (1, 3, 32, 32), folder)
    for chip in CHIPS:
        yield f"affine-{chip}", converter.deploy(affine, chip, "F32")
        yield f"small-{chip}", converter.deploy(small, chip, "F32")
    yield "small2cores-bm1688", converter.deploy(small, "bm1688", "F32", "--num_core", "2")


def face_models(converter: Converter, folder: Path, ws: Workspace) -> Iterator[tuple[str, bytes]]:
    shape = (1, 3, data.FACE_HEIGHT_PX, data.FACE_WIDTH_PX)
    face = converter.transform(data.provide_face_model(ws) / "centerface.onnx", "centerface", shape, folder)
    for chip in CHIPS:
        yield f"centerface-f32-{chip}", converter.deploy(face, chip, "F32")
        layers = folder / f"{chip}.qtable"
        layers.write_text("".join(f"{layer} F32\n" for layer in FLOAT_LAYERS.get(chip, ())))
        mixed = ("--quantize_table", layers) if chip in FLOAT_LAYERS else ()
        yield f"centerface-int8-{chip}", converter.deploy(face, chip, "INT8", "--calibration_table", FACE_TABLE, *mixed)


def calibrate(converter: Converter, folder: Path, ws: Workspace) -> None:
    """Writes FACE_TABLE: from real frames, other ones than the proofs look at."""
    shape = (1, 3, data.FACE_HEIGHT_PX, data.FACE_WIDTH_PX)
    face = converter.transform(data.provide_face_model(ws) / "centerface.onnx", "centerface", shape, folder)
    inputs = folder / "inputs"
    inputs.mkdir()
    video = data.provide_videos(ws) / "bikes.mp4"
    sizes = map(str, (data.FACE_WIDTH_PX, data.FACE_HEIGHT_PX))
    script = HERE / "convert" / "calibration_frames.py"
    converter.script(script, video, inputs, *sizes, "input.1", *map(str, CALIBRATION_FRAMES))
    converter.calibrate(face, inputs, FACE_TABLE)


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
