"""The whole face detector as an NBG: through the runner on real video, on the emulator; the loader on garbage.

Not collected by itself, because it takes minutes: `pytest -s cpp_core/backends/amlogic/tests/long_amlogic_detector.py`.
"""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from amlogic_emulator import Emulator, provide_emulator, provide_model
from amlogic_nbg import SECTIONS_AT, sealed
from amlogic_network import affine
from amlogic_quantize import Picture, quantized

from edgebuild.workspace import Workspace
from tests.data import FACE_HEIGHT_PX, FACE_WIDTH_PX
from tests.e2e.fixtures import Built
from tests.e2e.harness import SURE_SCORE, Ended
from tests.reference.boxes import compare

OUTPUTS = ("537", "538", "539")  # that centerface.yaml names
SEEN = (33, 40, 82, 105, 110, 126)  # frames of bikes.mp4 that the ranges are taken from
UNSEEN = (36, 118)  # frames that are run; both show a face
MIN_IOU = 0.8
GARBAGE = 4


@pytest.fixture(scope="module")
def emulator(cache: Workspace) -> Emulator:
    return provide_emulator(cache)


@pytest.fixture(scope="module")
def model(clips: Path, cache: Workspace, emulator: Emulator) -> Path:
    network = quantized(onnx.load(clips / "centerface.onnx"), OUTPUTS, letterboxed(clips / "bikes.mp4"))
    return provide_model(network, "centerface", ws=cache, emulator=emulator)


@pytest.fixture
def folder(model: Path, clips: Path, tmp_path: Path) -> Path:
    """A pipeline on the NBG; the sidecar gives its ports the names that the description knows."""
    blob = model.read_bytes()
    (tmp_path / "centerface.nb").write_bytes(blob)
    (tmp_path / "centerface.nb.io").write_text(sidecar(blob))
    vouched = hashlib.sha256(blob).hexdigest()
    described = (clips / "centerface.yaml").read_text().replace("model: centerface.onnx", "model: centerface.nb")
    (tmp_path / "centerface.yaml").write_text(f"{described}sha256: {vouched}\n")
    (tmp_path / "bikes.mp4").symlink_to(clips / "bikes.mp4")
    return tmp_path


def test_the_detector_finds_the_faces_that_it_finds_in_float(
    native: Built, folder: Path, clips: Path, emulator: Emulator
) -> None:
    found = run(native, emulator, write_pipeline(folder, "centerface.yaml", "amlogic")).frames()
    expected = run(native, emulator, write_pipeline(clips, "centerface.yaml", "cpu")).frames()
    for frame in UNSEEN:
        agreement = compare(found[frame].boxes, expected[frame].boxes, sure_score=SURE_SCORE, min_iou=MIN_IOU)
        print(f"frame {frame}: {agreement}")
        assert agreement.pairs
        assert agreement.lonely == ()


def test_garbage_behind_a_sound_header_ends_in_a_trial_and_not_in_the_runner(
    native: Built, clips: Path, cache: Workspace, emulator: Emulator, tmp_path: Path
) -> None:
    """With a checksum that is right: what only the vendor's loader could find."""
    blob = provide_model(affine(), "affine", ws=cache, emulator=emulator).read_bytes()
    (end,) = struct.unpack_from("<I", blob, SECTIONS_AT + 4 * 8)
    described = (clips / "centerface.yaml").read_text().replace("model: centerface.onnx", "model: garbage.nb")
    (tmp_path / "garbage.yaml").write_text(described)
    (tmp_path / "bikes.mp4").symlink_to(clips / "bikes.mp4")
    pipeline = write_pipeline(tmp_path, "garbage.yaml", "amlogic")

    def run_on(content: bytes) -> Ended:
        (tmp_path / "garbage.nb").write_bytes(content)
        ended = run(native, emulator, pipeline)
        print(f"exit {ended.code}: {ended.stderr.strip().splitlines()[0]}")
        assert ended.code > 0  # no signal took it down
        return ended

    assert "no input named 'input.1'" in run_on(blob).stderr  # sound, only not what is described
    source = random.Random(0)
    for _ in range(GARBAGE):
        cut = end + source.randrange((len(blob) - end) // 2)
        ended = run_on(sealed(blob[:cut] + source.randbytes(len(blob) - cut)))
        assert "garbage.nb: loading it in a process of its own ended it with signal" in ended.stderr


def letterboxed(video: Path) -> list[Picture]:
    """SEEN as the detector takes them, nearly: ranges do not depend on how a picture was resampled."""
    pictures = []
    with av.open(str(video)) as clip:
        for number, frame in enumerate(clip.decode(video=0)):
            if number in SEEN:
                height = FACE_WIDTH_PX * frame.height // frame.width
                top = (FACE_HEIGHT_PX - height) // 2
                canvas = np.zeros((FACE_HEIGHT_PX, FACE_WIDTH_PX, 3), np.float32)
                pixels = frame.reformat(width=FACE_WIDTH_PX, height=height, format="rgb24").to_ndarray()
                canvas[top : top + height] = pixels
                pictures.append(np.ascontiguousarray(canvas.transpose(2, 0, 1)[None]))
    return pictures


def sidecar(blob: bytes) -> str:
    """Of an NBG with uint8 ports, from its own tables."""
    lines = []
    for kind, section, names in (("input", 0, ("input.1",)), ("output", 1, OUTPUTS)):
        (start,) = struct.unpack_from("<I", blob, SECTIONS_AT + section * 8)
        for number, name in enumerate(names):
            rank, *rest = struct.unpack_from("<I6I4Ifi", blob, start + number * 116)
            shape = "x".join(map(str, reversed(rest[:rank])))
            lines.append(f"{kind} {name} uint8 {shape} {rest[-2]:.9g} {rest[-1]}\n")
    return "".join(lines)


def write_pipeline(folder: Path, description: str, backend: str) -> Path:
    path = folder / f"{backend}-{description}"
    path.write_text(f"source: {{uri: bikes.mp4, frames: {list(UNSEEN)}}}\nmodel: {description}\nbackend: {backend}\n")
    return path


def run(native: Built, emulator: Emulator, pipeline: Path) -> Ended:
    ended = emulator.run(native.tree / "bin/edgecore", "run", pipeline, cwd=pipeline.parent)
    return Ended(ended.returncode, ended.stdout, ended.stderr)
