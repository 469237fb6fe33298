"""What every test may ask for: a workspace of its own and a web server that misbehaves on request."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from edgebuild.log import Log
from edgebuild.workspace import Workspace
from tests.web import WebServer


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Empty cache, empty out/, silent log."""
    return Workspace(cache=tmp_path / "cache", out=tmp_path / "out", project=tmp_path / "project", log=Log(StringIO()))


@pytest.fixture
def web() -> Iterator[WebServer]:
    """On the loopback interface, gone with the test."""
    with WebServer.serving() as server:
        yield server
