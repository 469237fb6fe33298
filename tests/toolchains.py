"""A toolchain as a value: for tests whose commands are recorded or faked."""

from __future__ import annotations

from pathlib import Path

from edgebuild.model.arch import ARCHES
from edgebuild.model.product import Toolchain

ROOT = Path("/opt/tools")
TOOLCHAIN = Toolchain(
    name="zig",
    digest="d1",
    arch=ARCHES["aarch64"],
    floor="2.17",
    root=ROOT,
    host_cc=ROOT / "bin/host-cc",
    host_cxx=ROOT / "bin/host-c++",
)
