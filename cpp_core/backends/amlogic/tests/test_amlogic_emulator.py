"""The module on VeriSilicon's own OpenVX and emulator of the A311D's NPU, with networks that its own compiler made."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import amlogic_network
import av
import numpy as np
import onnx
import pytest
from amlogic_emulator import LOCK, Emulator, provide_emulator, provide_model
from amlogic_network import Network
from amlogic_quantize import quantized
from amlogic_trial import CORRUPT, UNSUPPORTED, attempt, module_of

from edgebuild.config.yaml import load_yaml
from edgebuild.elf.reader import read_elf
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

BACKEND = Path(__file__).parents[1]
FRAME = 36  # of bikes.mp4, with a face
HEIGHT_PX, WIDTH_PX = 64, 96
LAST_TENSOR = "387"  # ten layers: convolutions of all three kinds the detector has, and an addition
RUNS = 3  # more than there are slots
# A layer of the NPU rounds 0.3 % of the numbers to the other side, and what follows multiplies that: with ranges taken
# from other pictures, single numbers after these ten layers are 4 steps away.
STEPS = 2


@pytest.fixture(scope="module")
def emulator(cache: Workspace) -> Emulator:
    return provide_emulator(cache)


@pytest.fixture(scope="module")
def picture(clips: Path) -> np.ndarray:
    """The middle of a real frame, as the detector takes it: float32 [1, 3, h, w], values 0..255."""
    with av.open(str(clips / "bikes.mp4")) as video:
        frames = video.decode(video=0)
        frame = next(each for number, each in enumerate(frames) if number == FRAME)
    pixels = frame.to_ndarray(format="rgb24")
    top, left = (pixels.shape[0] - HEIGHT_PX) // 2, (pixels.shape[1] - WIDTH_PX) // 2
    part = pixels[top : top + HEIGHT_PX, left : left + WIDTH_PX]
    return np.ascontiguousarray(part.transpose(2, 0, 1)[None]).astype(np.float32)


@pytest.fixture(scope="module")
def layers(clips: Path, picture: np.ndarray) -> Network:
    return quantized(onnx.load(clips / "centerface.onnx"), (LAST_TENSOR,), [picture])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_vendors_library_has_every_function_that_we_need(emulator: Emulator) -> None:
    wanted = load_yaml(BACKEND / "abi/functions.yaml", dict[str, list[str]])
    for soname, names in wanted.items():
        exported = read_elf(emulator.libraries / soname).exported
        assert set(names) <= set(exported)


def test_the_contract_of_backends_holds_on_the_vendors_library(
    native: Built, cache: Workspace, emulator: Emulator, tmp_path: Path
) -> None:
    model = provide_model(amlogic_network.affine(), "affine", ws=cache, emulator=emulator)
    modules, fixtures = tmp_path / "modules", tmp_path / "fixtures"
    modules.mkdir()
    (fixtures / "amlogic/tests").mkdir(parents=True)
    shutil.copy(module_of(native), modules)
    shutil.copy(model, fixtures / "amlogic/tests/affine.nb")
    ended = emulator.run(native.tree / "bin/edgecore-contract", modules, fixtures, cwd=tmp_path)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " 0 failed" in ended.stdout
    assert digest(model) == LOCK.digests["affine.nb"]


def test_layers_of_a_real_detector_give_what_onnx_runtime_gives(
    native: Built, cache: Workspace, emulator: Emulator, layers: Network, picture: np.ndarray, tmp_path: Path
) -> None:
    model = provide_model(layers, "layers", ws=cache, emulator=emulator)
    (tmp_path / "picture").write_bytes(picture.tobytes())
    inputs = [tmp_path / "picture"] * RUNS
    ended = emulator.run(
        native.tree / "bin/edgecore-tensors", module_of(native), model, tmp_path, *inputs, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

    ((name, expected),) = layers.run_reference(picture.astype(np.uint8)).items()
    copies = f"copies {RUNS} {RUNS * picture.size} {RUNS} {RUNS * expected.size}"
    assert copies in ended.stdout.splitlines()
    out = layers.quants[name]
    for run in range(RUNS):
        found = np.fromfile(tmp_path / f"{run}.0", np.float32).reshape(expected.shape)
        steps = np.abs(out.store(found).astype(int) - expected.astype(int))
        print(f"run {run}: at most {steps.max()} steps, {np.count_nonzero(steps)} of {steps.size} numbers differ")
        assert steps.max() <= STEPS
        assert len(np.unique(found)) > 100
        assert digest(tmp_path / f"{run}.0") == LOCK.digests["layers.output"]
    assert digest(model) == LOCK.digests["layers.nb"]


def test_no_damage_to_a_real_model_reaches_the_driver(
    native: Built, cache: Workspace, emulator: Emulator, layers: Network, tmp_path: Path
) -> None:
    """Its checksum is the vendor's, and the vendor's loader does not look at it."""
    whole = provide_model(layers, "layers", ws=cache, emulator=emulator).read_bytes()
    source = random.Random(0)
    for number in range(40):
        damaged = bytearray(whole)
        for _ in range(source.choice((1, 3, 50))):
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        path = tmp_path / f"{number}.nb"
        path.write_bytes(bytes(damaged[: len(damaged) - source.choice((0, 0, 1, 5000))]))
        assert attempt(native, path).code in {CORRUPT, UNSUPPORTED}
