"""The desk's row ships the cpu module alone: here this one lies beside it."""

from __future__ import annotations

import pytest
from amlogic_emulator import Emulator, provide_emulator

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built, with_module


@pytest.fixture(scope="session")
def native(native: Built, cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return with_module(native, "amlogic", cache, tmp_path_factory.mktemp("with-amlogic") / "tree")


@pytest.fixture(scope="session")
def emulator(cache: Workspace) -> Emulator:
    return provide_emulator(cache)
