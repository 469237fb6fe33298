"""A new vendor is one row, its contract and one backend folder: everything else finds them by itself."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgebuild.unpack import unpack_tar
from tests.e2e.conftest import Built
from tests.e2e.harness import NATIVE, REPOSITORY, call, edgebuild

NAME = "acme"
PARTS = REPOSITORY / "tests/new_vendor"
_COLD_BUILD_S = 3600
# What is left out of the copy to save minutes; nothing of it is edited.
OTHER_ROWS = ("edgebuild/targets/", "edgebuild/contracts/")
OTHER_BACKENDS = "cpp_core/backends/"


@dataclass(frozen=True)
class Copy:
    """The tree with the new vendor dropped in, and what `build --all` said of it."""

    root: Path
    built: dict[str, Any]

    def ask(self, *argv: str) -> Any:
        return edgebuild(*argv, "--json", cwd=self.root, timeout_s=120).json()


def is_of_another_vendor(name: str) -> bool:
    if name.startswith(OTHER_BACKENDS):
        return not name.startswith(f"{OTHER_BACKENDS}cpu/")
    return name.startswith(OTHER_ROWS) and not name.rpartition("/")[2].startswith(f"{NATIVE}.")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    root = tmp_path_factory.mktemp("copy")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        source = REPOSITORY / name
        if source.is_file() and not is_of_another_vendor(name):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / name)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    backend = root / "cpp_core/backends" / NAME
    shutil.copytree(PARTS / "backend", backend)
    (backend / "tests").mkdir()
    (backend / "tests/affine.acme").write_bytes(b"ACMEMODL" + struct.pack("<2f", 2.0, 1.0))
    shutil.copy(PARTS / "row.yaml", root / "edgebuild/targets/acme-box.yaml")
    shutil.copy(PARTS / "contract.yaml", root / "edgebuild/contracts/acme-box.yaml")

    built = edgebuild("build", "--all", "--core-only", "--json", cwd=root, timeout_s=_COLD_BUILD_S).json()
    assert all(path.read_bytes() == content for path, content in before.items()), "no other file was edited"
    return Copy(root, built)


def test_build_all_builds_the_new_row_with_its_module(copy: Copy, tmp_path: Path) -> None:
    artifacts = {each["target"]: each for each in copy.built["artifacts"]}
    assert artifacts.keys() == {NATIVE, "acme-box"}
    assert "lib/edgecore/libedgecore-acme.so" in artifacts["acme-box"]["abi"]
    assert "lib/edgecore/libedgecore-acme.so" not in artifacts[NATIVE]["abi"]
    report = {each["target"]: each for each in copy.built["report"]["rows"]}
    assert report["acme-box"]["proof"] == "native"
    assert (report["acme-box"]["glibc_allowed"], report["acme-box"]["glibc_bundled"]) == ("2.17", "")
    (shared,) = copy.built["report"]["shared"]
    assert shared["rows"] == 2, "the core was compiled once for both"


def test_targets_and_the_ci_matrix_list_the_new_row(copy: Copy) -> None:
    listed = {each["name"]: each for each in copy.ask("targets")["targets"]}
    assert listed["acme-box"]["backends"] == [NAME]
    assert listed["acme-box"]["arch"] == "x86_64"
    matrix = json.loads(edgebuild("ci", "matrix", cwd=copy.root, timeout_s=120).succeed().stdout)
    assert "acme-box" in {each["target"] for each in matrix["rows"]}


def test_the_new_module_keeps_the_contract(copy: Copy, native: Built, tmp_path: Path) -> None:
    """The suite of the tree that never heard of it, on the module and the model of the copy."""
    (tarball,) = (each for each in copy.built["artifacts"] if each["target"] == "acme-box")
    (product,) = (each for each in tarball["products"] if each["kind"] == "tarball")
    unpack_tar(copy.root / "out/acme-box" / product["path"], tmp_path, strip=1)
    modules = tmp_path / "lib/edgecore"
    suite = native.tree / "bin/edgecore-contract"
    ended = call(suite, modules, copy.root / "cpp_core/backends", timeout_s=300)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert " 0 failed" in ended.stdout

    (copy.root / "cpp_core/backends/acme/tests/affine.acme").write_bytes(b"ACMEMODL" + struct.pack("<2f", 2.0, 3.0))
    wrong = call(suite, modules, copy.root / "cpp_core/backends", timeout_s=300)
    assert wrong.code != 0, "the suite runs the model: one that computes something else fails"


def test_the_runner_opens_the_new_module_by_its_name(copy: Copy) -> None:
    ended = edgebuild("run", "--target", NAME, "--", "bin/edgecore", "backends", cwd=copy.root, timeout_s=120)
    found = [json.loads(line) for line in ended.succeed().stdout.splitlines()]
    assert [(each["name"], each["runtime"]) for each in found] == [(NAME, "Acme NN 1.0")]
