"""Compilers and libraries of the build machine that backends' compilation calls, out of locked wheels."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from edgebuild.digest import digest_of
from edgebuild.errors import NotAvailable
from edgebuild.fetch import fetch
from edgebuild.model.arch import host_arch
from edgebuild.model.recipe import BuildTool
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace


def tools_digest(tools: Iterable[BuildTool]) -> str:
    """What decides their output. Not the build machine: the same version makes the same code on each."""
    return digest_of(
        [(tool.name, sorted((arch, wheel.sha256) for arch, wheel in tool.wheels.items())) for tool in tools]
    )


def provide_tools(tools: Iterable[BuildTool], *, ws: Workspace) -> dict[str, str]:
    """CMake variables, EDGECORE_TOOLS_<name> -> folder, and the Python that scripts around them run in.

    Raises NotAvailable or VerificationError.
    """
    variables = {f"EDGECORE_TOOLS_{tool.name}": str(_unpacked(tool, ws)) for tool in tools}
    return {**variables, "Python3_EXECUTABLE": sys.executable} if variables else {}


def _unpacked(tool: BuildTool, ws: Workspace) -> Path:
    machine = host_arch().name
    if machine not in tool.wheels:
        msg = f"build tool {tool.name} {tool.version} is not locked for {machine} build machines"
        raise NotAvailable(msg, f"add its wheel to the backend's runtime.yaml, or build on: {', '.join(tool.wheels)}.")
    wheel = tool.wheels[machine]

    def make(product: Path) -> None:
        with ws.log.step(f"Fetching {wheel.file}") as step:
            file = fetch(wheel, ws=ws, step=step)
        unpack_wheel(file, product)

    title = f"Unpacking {tool.name} {tool.version}"
    return ws.provide("tools", tool.name.lower(), digest_of([wheel.sha256]), make, title)
