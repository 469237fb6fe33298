"""The desk's row ships the cpu module alone: here this one lies beside it."""

from __future__ import annotations

import pytest

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built, build, with_module


@pytest.fixture(scope="session")
def native(native: Built, cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return with_module(native, "v4l2", cache, tmp_path_factory.mktemp("with-v4l2") / "tree")


@pytest.fixture(scope="session")
def jetson(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """arm64 under emulation."""
    return build("jetson-orin-jp6", tmp_path_factory.mktemp("jetson"))
