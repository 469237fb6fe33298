"""Rows with TensorRT's modules, built and unpacked once."""

from __future__ import annotations

import pytest
from tensorrt_boxes import RELEASES, Box, Release

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import build


@pytest.fixture(scope="session")
def server(cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """x86-64, both modules."""
    return Box.of("server-gpu", build("server-gpu", tmp_path_factory.mktemp("server-gpu")), cache)


@pytest.fixture(scope="session")
def orin(cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """arm64 under emulation, tensorrt10."""
    return Box.of("jetson-orin-jp6", build("jetson-orin-jp6", tmp_path_factory.mktemp("orin")), cache)


@pytest.fixture(scope="session")
def xavier(cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """arm64 under emulation, tensorrt8."""
    return Box.of("jetson-jp5", build("jetson-jp5", tmp_path_factory.mktemp("xavier")), cache)


@pytest.fixture(params=RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> Release:
    return request.param


@pytest.fixture
def board(release: Release, request: pytest.FixtureRequest) -> Box:
    """arm64 under emulation, with the module for this release."""
    return request.getfixturevalue("orin" if release.module == "tensorrt10" else "xavier")
