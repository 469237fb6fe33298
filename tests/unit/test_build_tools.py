"""Compilers that a backend's compilation calls: out of locked wheels, known to CMake, part of the core's digest."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import pytest

from edgebuild.build.core import core_digest
from edgebuild.build.tools import provide_tools
from edgebuild.config.targets import load_tools
from edgebuild.digest import sha256_file
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.fetch import cached_path
from edgebuild.model.arch import host_arch
from edgebuild.model.recipe import BuildTool, Download
from edgebuild.workspace import Workspace
from tests.toolchains import TOOLCHAIN


@pytest.fixture
def tool(ws: Workspace, tmp_path: Path) -> BuildTool:
    """Its wheel is in the cache already."""
    wheel = tmp_path / "acmec-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("acmec/lib/libacmec.so.1", "a compiler")
        archive.writestr("acmec-1.0.dist-info/METADATA", "Name: acmec\n")
    download = Download(file=wheel.name, sha256=sha256_file(wheel), pypi="acmec")
    place = cached_path(download, ws)
    place.parent.mkdir(parents=True)
    wheel.rename(place)
    return BuildTool(name="ACMEC", version="1.0", licence="MIT", wheels={host_arch().name: download})


def write_recipe(ws: Workspace, monkeypatch: pytest.MonkeyPatch, **tools: BuildTool) -> None:
    source = ws.project / "cpp_core"
    monkeypatch.setattr(Workspace, "core_source", property(lambda _: source))
    for backend, tool in tools.items():
        folder = source / "backends" / backend
        folder.mkdir(parents=True)
        (folder / "runtime.yaml").write_bytes(msgspec.yaml.encode({"tools": [msgspec.to_builtins(tool)]}))


def test_cmake_finds_the_unpacked_wheel_under_the_tools_name(ws: Workspace, tool: BuildTool) -> None:
    variables = provide_tools([tool], ws=ws)
    folder = Path(variables["EDGECORE_TOOLS_ACMEC"])
    assert (folder / "acmec/lib/libacmec.so.1").read_text() == "a compiler"
    assert Path(variables["Python3_EXECUTABLE"]).is_file()  # for scripts around a tool
    assert provide_tools([tool], ws=ws) == variables


def test_without_tools_cmake_is_told_nothing(ws: Workspace) -> None:
    assert provide_tools([], ws=ws) == {}


def test_a_build_machine_that_the_tool_is_not_locked_for_is_told_so(ws: Workspace, tool: BuildTool) -> None:
    (download,) = tool.wheels.values()
    other = msgspec.structs.replace(tool, wheels={"riscv64": download})
    with pytest.raises(NotAvailable, match=r"ACMEC 1\.0 is not locked for"):
        provide_tools([other], ws=ws)


def test_another_compiler_makes_another_core(tmp_path: Path, tool: BuildTool) -> None:
    newer = msgspec.structs.replace(
        tool, wheels={arch: msgspec.structs.replace(file, sha256="1" * 64) for arch, file in tool.wheels.items()}
    )
    digests = {core_digest(tmp_path, TOOLCHAIN, tmp_path, False, tools) for tools in ((), (tool,), (newer,))}
    assert len(digests) == 3


def test_backends_share_a_tool_of_the_same_name(
    ws: Workspace, tool: BuildTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recipe(ws, monkeypatch, acme1=tool, acme2=tool)
    assert load_tools(ws) == (tool,)


def test_one_name_for_two_tools_is_refused(ws: Workspace, tool: BuildTool, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(ws, monkeypatch, acme1=tool, acme2=msgspec.structs.replace(tool, version="2.0"))
    with pytest.raises(ConfigError, match=r"ACMEC is 2\.0 here"):
        load_tools(ws)


def test_a_tool_is_named_so_that_cmake_can_carry_it(tool: BuildTool) -> None:
    with pytest.raises(ValueError, match="capitals"):
        msgspec.convert({**msgspec.to_builtins(tool), "name": "acme-c"}, BuildTool)
