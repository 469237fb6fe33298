"""The module on VeriSilicon's own OpenVX and emulator of the A311D's NPU, with networks that its own compiler made."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import amlogic_network
import numpy as np
import onnx
import pytest
from amlogic_arithmetic import requantized
from amlogic_emulator import LOCK, Emulator, provide_model, run_tensors
from amlogic_network import Network, Quant
from amlogic_pictures import CALIBRATION, PROOF, middles
from amlogic_quantize import quantized
from amlogic_trial import CORRUPT, UNSUPPORTED, attempt, module_of

from edgebuild.config.yaml import load_yaml
from edgebuild.elf.reader import read_elf
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

BACKEND = Path(__file__).parents[1]
SIDE_PX = 64
SCORES = "t537"  # behind a sigmoid, which is a table
OUTPUTS = ("537", "538", "539", "540")


@pytest.fixture(scope="module")
def detector(clips: Path) -> Network:
    """The face detector, all 77 layers of it, for a small picture."""
    pictures = middles(clips, CALIBRATION, height_px=SIDE_PX, width_px=SIDE_PX)
    return quantized(onnx.load(clips / "centerface.onnx"), OUTPUTS, pictures)


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


def test_convolutions_are_computed_as_amlogic_arithmetic_says(
    native: Built, cache: Workspace, emulator: Emulator, tmp_path: Path
) -> None:
    """Every sum, with a multiplier whose 17th bit and those behind it are ones: they are cut off."""
    source, out = Quant(0.0123, 17), Quant(0.0731, 3)
    factor = Quant(46340.97 / 2**26 * out.scale / source.scale, 121)
    numbers = np.random.default_rng(0)
    weights = numbers.integers(0, 256, (16, 8, 1, 1), dtype=np.uint8)
    biases = numbers.integers(-3000, 9000, 16, dtype=np.int32)
    stored = numbers.integers(0, 256, (1, 8, 64, 64), dtype=np.uint8)
    network = amlogic_network.product(source, factor, out, weights, biases, stored.shape)
    model = provide_model(network, "product", ws=cache, emulator=emulator)
    (found,), _ = run_tensors(native, emulator, model, network, [source.real(stored)], tmp_path)

    factors, values = weights[:, :, 0, 0] - np.int64(factor.zero_point), stored - np.int64(source.zero_point)
    sums = np.einsum("oc,nchw->nohw", factors, values) + biases[None, :, None, None]
    multiplier = source.scale * factor.scale / out.scale
    assert np.array_equal(found["y"], requantized(sums, multiplier, out.zero_point))
    uncut = np.clip(np.rint(sums * multiplier) + out.zero_point, 0, 255)
    print(f"uncut, {np.count_nonzero(found['y'] != uncut)} of {sums.size} numbers would differ")
    assert not np.array_equal(found["y"], uncut)


def test_a_real_detector_gives_what_onnx_runtime_gives_on_pictures_that_nothing_was_chosen_by(
    native: Built, cache: Workspace, emulator: Emulator, clips: Path, detector: Network, tmp_path: Path
) -> None:
    """Every number of every output is the same, and scores are at most one step of 255 away."""
    pictures = middles(clips, PROOF, height_px=SIDE_PX, width_px=SIDE_PX)
    model = provide_model(detector, "detector", ws=cache, emulator=emulator)
    found, printed = run_tensors(native, emulator, model, detector, pictures, tmp_path)
    expected = detector.run_reference(pictures)

    numbers = sum(each.size for each in expected[0].values())
    runs = len(pictures)
    copies = f"copies {runs} {runs * pictures[0].size} {runs * len(OUTPUTS)} {runs * numbers}"
    assert copies in printed.splitlines()
    for name in detector.outputs:
        ours, theirs = (np.stack([run[name] for run in answers]).astype(int) for answers in (found, expected))
        steps = np.abs(ours - theirs)
        print(f"{name}: {np.count_nonzero(steps)} of {steps.size} numbers differ, by at most {steps.max()} steps")
        print(f"  {len(np.unique(theirs))} values")
        assert steps.max() <= (1 if name == SCORES else 0)
    assert digest(model) == LOCK.digests["detector.nb"]


def test_no_damage_to_a_real_model_reaches_the_driver(
    native: Built, cache: Workspace, emulator: Emulator, detector: Network, tmp_path: Path
) -> None:
    """Its checksum is the vendor's, and the vendor's loader does not look at it."""
    whole = provide_model(detector, "detector", ws=cache, emulator=emulator).read_bytes()
    source = random.Random(0)
    for number in range(40):
        damaged = bytearray(whole)
        for _ in range(source.choice((1, 3, 50))):
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        path = tmp_path / f"{number}.nb"
        path.write_bytes(bytes(damaged[: len(damaged) - source.choice((0, 0, 1, 5000))]))
        assert attempt(native, path).code in {CORRUPT, UNSUPPORTED}
