"""The desk's row ships the cpu module alone. All modules for x86-64 were compiled together, so this one is at hand."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built, build

_MODULE = "lib/edgecore/libedgecore-v4l2.so"


@pytest.fixture(scope="session")
def native(native: Built, cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A copy of the unpacked artifact with the module in its place."""
    tree = tmp_path_factory.mktemp("with-v4l2") / "tree"
    shutil.copytree(native.tree, tree, symlinks=True)
    core = cache.product("core", "core-x86_64", native.manifest["made_from"]["core"])
    shutil.copy(core / "runtime" / _MODULE, tree / _MODULE)
    return replace(native, tree=tree)


@pytest.fixture(scope="session")
def jetson(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """arm64 under emulation."""
    return build("jetson-orin-jp6", tmp_path_factory.mktemp("jetson"))
