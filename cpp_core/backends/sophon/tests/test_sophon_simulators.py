"""The module, as it ships, on the maker's own runtime and its simulators of the three chips: a small input for each.

The detector and the whole contract suite take minutes: `make models` (convert/prove_detector.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sophon_models import CHIPS, HERE, small_model
from sophon_runs import INVALID_ARGUMENT, OK, UNSUPPORTED, Floats, relative_error, simulator

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

HEADS = (("score", "Sigmoid"), ("box", "Conv"))  # the converter adds the operator's name
WORST = 1e-4  # of the largest output
NAMES = {"bm1684": "BM1684", "bm1684x": "BM1684X", "bm1688": "BM1688"}


def written(folder: Path, name: str, chip: str, cache: Workspace) -> Path:
    path = folder / f"{name}-{chip}.bmodel"
    path.write_bytes(small_model(name, chip, cache))
    return path


def reference(image: Floats) -> dict[str, Floats]:
    session = onnxruntime.InferenceSession(HERE / "small.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


@pytest.mark.parametrize("chip", CHIPS)
def test_a_small_detector_computes_what_onnx_runtime_computes(
    native: Built, cache: Workspace, tmp_path: Path, chip: str
) -> None:
    random = np.random.default_rng(7)
    images = [random.uniform(-1, 1, (1, 3, 32, 32)).astype(np.float32) for _ in range(3)]
    model = written(tmp_path, "small", chip, cache)
    outputs = simulator(native, chip, cache).run(model, tmp_path, *images)
    for image, found in zip(images, outputs.runs, strict=True):
        expected = reference(image)
        errors = {name: relative_error(found[f"{name}_{kind}"], expected[name]) for name, kind in HEADS}
        print(chip, errors)
        assert max(errors.values()) <= WORST
    assert outputs.copies == (3, 3 * 4 * 3 * 32 * 32, 6, 3 * 4 * (1 + 4) * 16 * 16)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_contract_holds_on_the_chip(native: Built, cache: Workspace, tmp_path: Path, chip: str) -> None:
    """Its heart; all of it is in `make models`."""
    tests = tmp_path / "sophon" / "tests"
    tests.mkdir(parents=True)
    (tests / "affine.bmodel").write_bytes(small_model("affine", chip, cache))
    ended = simulator(native, chip, cache).contract(tmp_path, "y = 2*", "every slot gives*")
    assert ended.code == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert "test cases:  2 |  2 passed | 0 failed" in ended.stdout


def test_a_model_for_two_cores_runs_on_two_and_on_no_other_number(
    native: Built, cache: Workspace, tmp_path: Path
) -> None:
    place = simulator(native, "bm1688", cache)
    model = written(tmp_path, "small2cores", "bm1688", cache)
    image = np.random.default_rng(8).uniform(-1, 1, (1, 3, 32, 32)).astype(np.float32)
    (found,) = place.run(model, tmp_path, image).runs
    assert max(relative_error(found[f"{name}_{kind}"], reference(image)[name]) for name, kind in HEADS) <= WORST
    assert place.attempt(model, "cores", "1,0").code == OK
    refused = place.attempt(model, "cores", "1")
    assert (refused.code, refused.text) == (INVALID_ARGUMENT, "option cores: the model was compiled for 2, found 1")


@pytest.mark.parametrize(("device", "model"), [("bm1684", "bm1688"), ("bm1684x", "bm1684"), ("bm1688", "bm1684x")])
def test_a_model_for_another_chip_is_refused_before_the_loader_sees_it(
    native: Built, cache: Workspace, tmp_path: Path, device: str, model: str
) -> None:
    answer = simulator(native, device, cache).attempt(written(tmp_path, "affine", model, cache))
    assert answer.code == UNSUPPORTED
    told = f"is compiled for {NAMES[model]}, but the device is a {NAMES[device]}: convert it for that chip"
    assert answer.text == told
