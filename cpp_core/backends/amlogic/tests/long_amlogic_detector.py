"""The face detector at its real size, on the emulator: every number, and through the runner; the loader on garbage.

Not collected by itself, because it takes minutes: `pytest -s cpp_core/backends/amlogic/tests/long_amlogic_detector.py`.
"""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
from amlogic_emulator import Emulator, provide_model, run_tensors
from amlogic_nbg import SECTIONS_AT, sealed
from amlogic_network import Network, affine, session
from amlogic_pictures import CALIBRATION, FACES, letterboxed
from amlogic_quantize import quantized
from numpy.typing import NDArray

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built
from tests.e2e.harness import SURE_SCORE, Ended
from tests.reference.boxes import Box, compare, iou, suppress
from tests.reference.centerface import IOU_THRESHOLD, decode_grid

OUTPUTS = ("537", "538", "539")  # that centerface.yaml names: scores, sizes, places
STEPS = (1, 0, 0)  # of 255; scores are behind a sigmoid, which is a table
RUNNER = (108, 124)  # of them, each with a face
MIN_IOU = 0.9
GARBAGE = 4


@pytest.fixture(scope="module")
def network(clips: Path) -> Network:
    return quantized(onnx.load(clips / "centerface.onnx"), OUTPUTS, letterboxed(clips, CALIBRATION))


@pytest.fixture(scope="module")
def model(network: Network, cache: Workspace, emulator: Emulator) -> Path:
    return provide_model(network, "centerface", ws=cache, emulator=emulator)


def test_every_number_is_onnx_runtimes_and_the_faces_are_those_of_the_float_model(
    native: Built, clips: Path, emulator: Emulator, network: Network, model: Path, tmp_path: Path
) -> None:
    pictures = letterboxed(clips, FACES)
    found, _ = run_tensors(native, emulator, model, network, pictures, tmp_path)
    expected = network.run_reference(pictures)
    for name, most in zip(network.outputs, STEPS, strict=True):
        ours, theirs = (np.stack([run[name] for run in answers]).astype(int) for answers in (found, expected))
        steps = np.abs(ours - theirs)
        print(f"{name}: {np.count_nonzero(steps)} of {steps.size} numbers differ, by at most {steps.max()} steps")
        assert steps.max() <= most

    floats = session((clips / "centerface.onnx").read_bytes())
    sure = 0
    for number, picture, answer in zip(FACES["bikes.mp4"], pictures, found, strict=True):
        ours = faces([network.quants[name].real(answer[name]) for name in network.outputs])
        theirs = faces(floats.run(list(OUTPUTS), {floats.get_inputs()[0].name: picture}))
        agreement = compare(ours, theirs, sure_score=SURE_SCORE, min_iou=MIN_IOU)
        pairs = [f"{a.score:.2f} for {b.score:.2f}, IoU {iou(a, b):.2f}" for a, b in agreement.pairs]
        print(f"frame {number}: {pairs}, {len(agreement.lonely)} without a partner")
        assert agreement.lonely == ()
        sure += len(agreement.pairs)
    assert sure >= len(pictures) // 2


def faces(maps: list[NDArray[np.float32]]) -> list[Box]:
    """In pixels of the model's input."""
    return suppress(decode_grid(*maps), IOU_THRESHOLD)


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
    for frame in RUNNER:
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
    path.write_text(f"source: {{uri: bikes.mp4, frames: {list(RUNNER)}}}\nmodel: {description}\nbackend: {backend}\n")
    return path


def run(native: Built, emulator: Emulator, pipeline: Path) -> Ended:
    ended = emulator.run(native.tree / "bin/edgecore", "run", pipeline, cwd=pipeline.parent)
    return Ended(ended.returncode, ended.stdout, ended.stderr)
