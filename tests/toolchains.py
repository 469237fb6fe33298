"""A toolchain as a value: for tests whose commands are recorded or faked."""

from __future__ import annotations

from pathlib import Path

from edgebuild.model.arch import ARCHES
from edgebuild.model.product import Toolchain

BIN = Path("/opt/tools")
TOOLCHAIN = Toolchain(
    name="zig", digest="d1", arch=ARCHES["aarch64"], floor="2.17", root=BIN,
    cc=BIN / "cc", cxx=BIN / "c++", ar=BIN / "ar", ranlib=BIN / "ranlib", nm=BIN / "nm", strip=BIN / "strip",
    objcopy=BIN / "objcopy", host_cc=BIN / "host-cc", host_cxx=BIN / "host-c++",
)  # fmt: skip
