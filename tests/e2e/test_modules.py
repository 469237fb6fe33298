"""Every backend module for arm64, opened under emulation: without its vendor's library a typed error names it, and with
a stand-in the module opens. Nothing here knows any backend: the folders and the rows are the list.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgebuild.build.emulate import emulated_command
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.config.targets import load_row, load_sysroot, load_target, row_names
from edgebuild.run import Completed, run
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace
from tests.e2e.harness import OLD_ROOT, REPOSITORY, edgebuild

FIXTURES = REPOSITORY / "cpp_core/backends"  # NAME/tests/affine.*
BACKENDS = {path.parent.name: path.parent for path in sorted(FIXTURES.glob("*/CMakeLists.txt"))}
ROWS = {name: load_row(name) for name in row_names()}
ARM = "aarch64"
_COLD_BUILD_S, _EMULATED_S = 3600, 600


@dataclass(frozen=True)
class Opened:
    """One row's runtime with its tests laid over it."""

    row: str
    tree: Path

    def stand_ins(self, backend: str) -> list[Path]:
        """Folders of them, one for each release of the vendor's library that there is a stand-in of."""
        folder = self.tree / "share/edgecore/stubs"
        return sorted({*folder.glob(backend), *folder.glob(f"{backend}-*")})


def row_of(backend: str, ws: Workspace) -> str:
    """A row for arm64 with the backend and as many others as any: a stand-in may compute with their libraries."""
    named = [name for name, row in ROWS.items() if backend in row.backends]
    return max(
        (name for name in named if load_target(name, ws).arch.name == ARM), key=lambda row: len(ROWS[row].backends)
    )


@pytest.fixture(scope="module")
def opened(cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Opened]:
    """By backend."""
    rows = {backend: row_of(backend, cache) for backend in BACKENDS}
    trees: dict[str, Path] = {}
    for row in dict.fromkeys(rows.values()):
        document = edgebuild("build", "--target", row, "--json", timeout_s=_COLD_BUILD_S).json()
        (manifest,) = document["artifacts"]
        archives = {each["kind"]: REPOSITORY / "out" / row / each["path"] for each in manifest["products"]}
        trees[row] = tmp_path_factory.mktemp(row)
        for kind in ("tarball", "tests"):
            unpack_tar(archives[kind], trees[row], strip=1)
    return {backend: Opened(row, trees[row]) for backend, row in rows.items()}


def emulated(runtime: Opened, argv: tuple[str | Path, ...], ws: Workspace, *, libraries: Path | None) -> Completed:
    """libraries: folder of stand-ins that the loader searches."""
    spec = load_target(runtime.row, ws)
    root = provide_sysroot(OLD_ROOT, *load_sysroot(OLD_ROOT, ws), ws=ws)
    env = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
    command = emulated_command(spec.arch, spec.contract, root, argv, ws=ws, env=env, timeout_s=_EMULATED_S)
    return run(command, check=False)


def asked(runtime: Opened, backend: str, ws: Workspace, *, libraries: Path | None = None) -> dict[str, Any]:
    """What the runner says of the module."""
    ended = emulated(runtime, (runtime.tree / "bin/edgecore", "backends"), ws, libraries=libraries)
    assert ended.returncode == 0, ended.stderr
    records: dict[str, dict[str, Any]] = {each["name"]: each for each in map(json.loads, ended.stdout.splitlines())}
    return records[backend]


def bundle_of(backend: str) -> list[str]:
    """Libraries that ship beside the module."""
    recipe = BACKENDS[backend] / "runtime.yaml"
    bundle = yaml.safe_load(recipe.read_text()).get("bundle", []) if recipe.is_file() else []
    return [library["install_as"] for library in bundle]


@contextlib.contextmanager
def without_bundled(runtime: Opened, backend: str) -> Iterator[None]:
    """What ships beside the module is away as well: the box then has none."""
    places = [runtime.tree / "lib/edgecore" / name for name in bundle_of(backend)]
    for place in places:
        place.rename(place.with_name(f"{place.name}.away"))
    try:
        yield
    finally:
        for place in places:
            place.with_name(f"{place.name}.away").rename(place)


def test_every_backend_ships_in_a_row_for_arm64(cache: Workspace) -> None:
    shipped = {
        backend for name, row in ROWS.items() if load_target(name, cache).arch.name == ARM for backend in row.backends
    }
    assert shipped == BACKENDS.keys()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_module_without_its_vendors_library_says_which_one_it_misses(
    backend: str, opened: Mapping[str, Opened], cache: Workspace
) -> None:
    runtime = opened[backend]
    with without_bundled(runtime, backend):
        record = asked(runtime, backend, cache)
    print(record)
    assert record["code"] == "not found", record
    assert re.search(r"\blib[\w+-]+\.so\b", record["error"]), "it names the library"
    assert "cannot open shared object file" in record["error"], "and says what the loader said"
    assert record["hint"] or len(record["error"].splitlines()) > 1 or "; " in record["error"], "and what to do"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_module_opens_where_its_vendors_library_is(
    backend: str, opened: Mapping[str, Opened], cache: Workspace
) -> None:
    """Stand-ins of it, but for what ships with us."""
    runtime = opened[backend]
    stand_ins: list[Path | None] = [*runtime.stand_ins(backend)]
    assert stand_ins or bundle_of(backend), "edgecore_add_stub() in its CMakeLists.txt makes one"
    for libraries in stand_ins or [None]:
        record = asked(runtime, backend, cache, libraries=libraries)
        print(libraries.name if libraries else "bundled", record)
        assert "error" not in record, record
        assert record["runtime"]
        assert record["devices"] >= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_module_keeps_the_contract_and_survives_damaged_models(
    backend: str, opened: Mapping[str, Opened], cache: Workspace
) -> None:
    """The whole suite, whose damaged models are 300 of the backend's own format, on the vendor's stand-in."""
    runtime = opened[backend]
    libraries = next(iter(runtime.stand_ins(backend)), None)
    suite = (runtime.tree / "bin/edgecore-contract", runtime.tree / "lib/edgecore", FIXTURES, "--backends", backend)
    ended = emulated(runtime, suite, cache, libraries=libraries)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " 0 failed" in ended.stdout
