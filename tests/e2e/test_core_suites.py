"""The core's own proofs, as they run on a box: unit tests and the contract that every backend module keeps."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Built
from tests.e2e.harness import ARM, NATIVE, OLD_ROOT, REPOSITORY, run_in

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
