"""The core's own proofs, as they run on a box: unit tests and the contract that every backend module keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Built
from tests.e2e.harness import ARM, NATIVE, OLD_ROOT, REPOSITORY, call, run_in, write_pipeline

PLACES = {NATIVE: ("native", ""), ARM: ("arm", OLD_ROOT)}
FIXTURES = REPOSITORY / "cpp_core" / "backends"  # NAME/tests/affine.*


@pytest.mark.parametrize("row", PLACES)
def test_every_backend_module_keeps_the_contract(row: str, request: pytest.FixtureRequest) -> None:
    fixture, root = PLACES[row]
    tree = request.getfixturevalue(fixture).tree
    ended = run_in(
        row, tree / "bin" / "edgecore-contract", tree / "lib" / "edgecore", FIXTURES, root=root, timeout_s=600
    )
    print(ended.stdout)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert " 0 failed" in ended.stdout


@pytest.mark.parametrize("row", PLACES)
def test_the_units_of_the_core_pass(row: str, request: pytest.FixtureRequest) -> None:
    fixture, root = PLACES[row]
    built: Built = request.getfixturevalue(fixture)
    ended = run_in(row, built.tree / "bin" / "edgecore-unit", root=root, timeout_s=600)
    print(ended.stdout)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert " 0 failed" in ended.stdout


def test_a_run_leaves_nothing_in_the_users_folders_and_reports_to_nobody(
    native: Built, clips: Path, tmp_path: Path
) -> None:
    """ONNX Runtime 1.31 would leave a device id there and open an uploader."""
    pipeline = write_pipeline(clips, "quiet", "bikes.mp4", frames=(0,))
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "ORT_DISABLE_TELEMETRY": "0"}
    ended = call(native.tree / "bin/edgecore", "run", pipeline, timeout_s=60, env=env)
    assert list(ended.frames()) == [0]
    assert list(tmp_path.rglob("*")) == []
