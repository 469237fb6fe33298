"""Everything dear is made once per session: builds, the data folder, native and emulated runs."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from filelock import FileLock

from edgebuild.log import Log
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace, write_atomic
from tests import data
from tests.e2e.harness import (
    ARM,
    BACKENDS,
    NATIVE,
    OLD_ROOT,
    REPOSITORY,
    SPREAD_FRAMES,
    FrameLine,
    edgebuild,
    run_in,
    write_pipeline,
)
from tests.e2e.releases import Workshop

T = TypeVar("T")

_COLD_BUILD_S = 3600
_EMULATED_S = 900
# With several workers (`make e2e`) a file's tests stay together, and whoever is through takes the next file: these come
# first, so that at the end nobody waits long for another. Those that wait and those that compute take turns.
_LONG_FILES = (
    "test_box_program.py",
    "test_detections.py",
    "test_kills.py",
    "test_sdk.py",
    "test_deploy.py",
    "test_fleet.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The limit of a unit test would cut a cold build."""
    places = {name: place for place, name in enumerate(_LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) or item.path.is_relative_to(BACKENDS):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(2 * _COLD_BUILD_S))


@dataclass(frozen=True)
class Built:
    """out/ROW/ and the archives of it unpacked somewhere else than where they were made.

    tree: the runtime with the core's tests laid over it. shipped: the files of the runtime alone.
    """

    folder: Path
    manifest: dict[str, Any]
    tree: Path
    shipped: tuple[Path, ...]

    def products(self, kind: str) -> list[Path]:
        return [self.folder / each["path"] for each in self.manifest["products"] if each["kind"] == kind]


def build(row: str, folder: Path) -> Built:
    document = edgebuild("build", "--target", row, "--json", timeout_s=_COLD_BUILD_S).json()
    (manifest,) = document["artifacts"]
    archives = {each["kind"]: REPOSITORY / "out" / row / each["path"] for each in manifest["products"]}
    unpack_tar(archives["tarball"], folder, strip=1)
    shipped = tuple(sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()))
    unpack_tar(archives["tests"], folder, strip=1)
    return Built(REPOSITORY / "out" / row, manifest, folder, shipped)


def with_module(built: Built, backend: str, cache: Workspace, folder: Path) -> Built:
    """A copy of the unpacked artifact with one more module: all of an architecture were compiled together."""
    module = f"lib/edgecore/libedgecore-{backend}.so"
    shutil.copytree(built.tree, folder, symlinks=True)
    core = cache.product("core", f"core-{built.manifest['arch']}", built.manifest["made_from"]["core"])
    shutil.copy(core / "runtime" / module, folder / module)
    return replace(built, tree=folder)


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(ARM, tmp_path_factory.mktemp(ARM))


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(NATIVE, tmp_path_factory.mktemp(NATIVE))


@pytest.fixture(scope="session")
def cache() -> Workspace:
    """The real one: test data is fetched once per machine."""
    return Workspace.open(project=REPOSITORY, out=None, log=Log(quiet=True))


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Where releases are made and signed."""
    return Workshop.open(tmp_path_factory.mktemp("workshop") / "beat")


@pytest.fixture(scope="session")
def clips(cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with both videos and the described face model."""
    folder = tmp_path_factory.mktemp("clips")
    data.fill(folder, cache)
    return folder


def made_once(name: str, folders: pytest.TempPathFactory, make: Callable[[], T]) -> T:
    """What the first of this run's workers makes that wants it, for all of them."""
    base = folders.getbasetemp()
    file = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"{name}.pickle"
    with FileLock(f"{file}.lock"):
        if not file.is_file():
            write_atomic(file, pickle.dumps(make()))
        return pickle.loads(file.read_bytes())


@pytest.fixture(scope="session")
def native_lines(
    native: Built, clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[int, FrameLine]]:
    """video -> frame number -> what the desk found, for every frame."""

    def detect(video: str) -> dict[int, FrameLine]:
        pipeline = write_pipeline(clips, f"whole-{video}", video)
        return run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=300).frames()

    return made_once("native-lines", tmp_path_factory, lambda: {video: detect(video) for video in data.VIDEOS})


@pytest.fixture(scope="session")
def emulated_lines(arm: Built, clips: Path) -> dict[int, FrameLine]:
    """frame number of bikes.mp4 -> what arm64 code found in the oldest root, for SPREAD_FRAMES."""
    pipeline = write_pipeline(clips, "spread", "bikes.mp4", frames=SPREAD_FRAMES)
    return run_in(ARM, "bin/edgecore", "run", pipeline, root=OLD_ROOT, timeout_s=_EMULATED_S).frames()
