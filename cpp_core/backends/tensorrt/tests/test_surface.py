"""Our view of NvBufSurface against NVIDIA's own library, in system memory: no GPU and no driver is needed for that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of
from edgebuild.fetch import fetch_all
from edgebuild.model.recipe import Download
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

_LOCK = Path(__file__).with_name("surface.lock")
_LIBRARIES = ("nvidia/deepstream_videodecode/_libs", "nvidia/cu13/lib")


@pytest.fixture(scope="session")
def maker(cache: Workspace) -> Path:
    """The unpacked wheels."""
    wheels = load_yaml(_LOCK, tuple[Download, ...])

    def make(folder: Path) -> None:
        for wheel in fetch_all(wheels, ws=cache):
            unpack_wheel(wheel, folder)

    key = digest_of([wheel.sha256 for wheel in wheels])
    return cache.provide("testdata", "surface", key, make, "Providing NvBufSurface")


def check(native: Built, *folders: Path) -> subprocess.CompletedProcess[str]:
    program = native.tree / "bin" / "edgecore-surface-check"
    path = ":".join(map(str, folders))
    return subprocess.run([program], env={"LD_LIBRARY_PATH": path}, capture_output=True, text=True, timeout=60)


def test_pictures_are_read_where_the_makers_library_put_them(native: Built, maker: Path) -> None:
    stand_in = native.tree / "share/edgecore/stubs/tensorrt10"  # a libcuda.so.1: the library is linked with the driver
    ended = check(native, *(maker / folder for folder in _LIBRARIES), stand_in)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "7 formats, 0 failures" in ended.stdout


def test_without_the_library_it_is_named(native: Built) -> None:
    ended = check(native)
    assert ended.returncode == 2
    assert "libnvbufsurface.so cannot be opened" in ended.stdout
