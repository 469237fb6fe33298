"""The desk's row ships the cpu module alone. All modules for x86-64 were compiled together, so this one is at hand."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from amlogic_emulator import Emulator, provide_emulator

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

_MODULE = "lib/edgecore/libedgecore-amlogic.so"


@pytest.fixture(scope="session")
def native(native: Built, cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A copy of the unpacked artifact with the module in its place."""
    tree = tmp_path_factory.mktemp("with-amlogic") / "tree"
    shutil.copytree(native.tree, tree, symlinks=True)
    core = cache.product("core", "core-x86_64", native.manifest["made_from"]["core"])
    shutil.copy(core / "runtime" / _MODULE, tree / _MODULE)
    return replace(native, tree=tree)


@pytest.fixture(scope="session")
def emulator(cache: Workspace) -> Emulator:
    return provide_emulator(cache)
