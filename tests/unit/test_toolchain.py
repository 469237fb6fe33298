"""Compilers out of wheels: which wheels, what the wrappers pass on, what the digest means, and warmth that is real."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edgebuild import fetch as fetch_module
from edgebuild.build import toolchain_wheels, toolchain_zig
from edgebuild.build.toolchain import lock_toolchain, provide_toolchain
from edgebuild.build.toolchain_wheels import choose_wheel
from edgebuild.build.toolchain_zig import render_wrappers
from edgebuild.errors import BuildError, NotAvailable
from edgebuild.model.arch import ARCHES, Arch
from edgebuild.model.product import Toolchain
from edgebuild.model.recipe import Download, ToolchainLock, ZigRecipe
from edgebuild.model.target import ToolchainSpec
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace
from tests.unit.test_unpack import make_wheel
from tests.web import WebServer

AARCH64, X86_64 = ARCHES["aarch64"], ARCHES["x86_64"]
RECIPE = ZigRecipe(
    title="Acme C",
    wheels={"acme": "1.0"},
    floor="2.17",
    cpu={"aarch64": "generic", "x86_64": "x86_64"},
    c_flags=("-ffp-contract=off",),
)
# Stands for the compiler: says where its cache is and what it was given, one argument per line.
SPY = b'#!/bin/sh\necho "$ZIG_GLOBAL_CACHE_DIR|$ZIG_LOCAL_CACHE_DIR"\nprintf "%s\\n" "$@"\n'


class Recorder:
    """Runs nothing. fails: whether the next command does."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.fails = False

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        self.commands.append(command)
        if self.fails:
            msg = "c++ failed (exit 1)"
            raise BuildError(msg)
        return Completed(0)


@pytest.fixture(autouse=True)
def on_x86_64(monkeypatch: pytest.MonkeyPatch) -> None:
    run_on(monkeypatch, X86_64)


def run_on(monkeypatch: pytest.MonkeyPatch, machine: Arch) -> None:
    for module in (toolchain_zig, toolchain_wheels):
        monkeypatch.setattr(module, "host_arch", lambda: machine)


@pytest.fixture
def lock(web: WebServer, tmp_path: Path) -> ToolchainLock:
    """One wheel with a compiler that is a spy."""
    programs = {"ziglang/zig": SPY, "acme-1.data/data/bin/llvm-strip": SPY}
    wheel = make_wheel(tmp_path, programs, executable=tuple(programs)).read_bytes()
    web.files["/acme.whl"] = wheel
    download = Download(file="acme.whl", sha256=hashlib.sha256(wheel).hexdigest(), url=web.url("/acme.whl"))
    return ToolchainLock(recipe="0" * 64, wheels={"x86_64": (download,)})


def provide(
    lock: ToolchainLock, ws: Workspace, run: Recorder | None = None, arch: Arch = AARCH64, recipe: ZigRecipe = RECIPE
) -> Toolchain:
    spec = ToolchainSpec(name="acme", recipe=recipe, lock=lock)
    return provide_toolchain(spec, arch, ws=ws, run=run or Recorder())


def spied(program: Path, *arguments: str, **env: str) -> list[str]:
    shell = [str(program), *arguments]
    output = subprocess.run(shell, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], **env})
    return output.stdout.splitlines()


def test_the_wrappers_name_target_floor_and_cpu(lock: ToolchainLock, ws: Workspace) -> None:
    toolchain = provide(lock, ws)
    expected = ["-target", "aarch64-linux-gnu.2.17", "-mcpu=generic", "-fno-sanitize=undefined", "-c", "a b.cc"]
    assert spied(toolchain.cxx, "-c", "a b.cc")[1:] == ["c++", *expected]
    assert spied(toolchain.host_cc)[1:4] == ["cc", "-target", "x86_64-linux-gnu.2.17"]
    assert spied(toolchain.ar, "rcs")[1:] == ["ar", "rcs"]
    assert spied(toolchain.strip, "-x", "a b")[1:] == ["-x", "a b"]


def test_the_wrappers_keep_the_compilers_cache_with_ours(lock: ToolchainLock, ws: Workspace) -> None:
    cc = provide(lock, ws).cc
    assert spied(cc)[0] == f"{ws.cache}/zig|{ws.cache}/zig"
    assert spied(cc, ZIG_GLOBAL_CACHE_DIR="/elsewhere")[0] == "/elsewhere|/elsewhere"


def test_the_wrappers_survive_any_path(lock: ToolchainLock, ws: Workspace, tmp_path: Path) -> None:
    odd = replace(ws, cache=tmp_path / "a 'b' $c")
    assert spied(provide(lock, odd).cc)[0] == f"{odd.cache}/zig|{odd.cache}/zig"


def test_what_the_linker_ignores_is_not_passed_on(lock: ToolchainLock, ws: Workspace) -> None:
    assert spied(provide(lock, ws).cc, "a.o", "-Wl,-rpath-link,/lib", "-Wl,-rpath,/x")[-2:] == ["a.o", "-Wl,-rpath,/x"]


def test_warming_happens_once_per_toolchain(lock: ToolchainLock, ws: Workspace) -> None:
    run = Recorder()
    toolchain = provide(lock, ws, run)
    assert [Path(command.argv[0]) for command in run.commands] == [toolchain.cc] * 2 + [toolchain.cxx] * 2
    assert ["-shared" in command.argv for command in run.commands] == [False, True] * 2
    assert all(command.timeout_s for command in run.commands)
    provide(lock, ws, run)
    assert len(run.commands) == 4


def test_a_failed_warming_is_tried_again(lock: ToolchainLock, ws: Workspace) -> None:
    run = Recorder()
    run.fails = True
    with pytest.raises(BuildError):
        provide(lock, ws, run)
    run.fails = False
    provide(lock, ws, run)
    assert len(run.commands) == 1 + 4


def test_the_digest_is_the_same_wherever_the_cache_lies(lock: ToolchainLock, ws: Workspace, tmp_path: Path) -> None:
    elsewhere = replace(ws, cache=tmp_path / "elsewhere")
    assert provide(lock, ws).digest == provide(lock, elsewhere).digest


@pytest.mark.parametrize(
    "change", [{"floor": "2.28"}, {"cpu": {"aarch64": "cortex_a53", "x86_64": "x86_64"}}, {"c_flags": ()}]
)
def test_the_digest_follows_what_decides_the_bytes(
    lock: ToolchainLock, ws: Workspace, change: dict[str, object]
) -> None:
    other = msgspec.structs.replace(RECIPE, **change)
    assert provide(lock, ws, recipe=other).digest != provide(lock, ws).digest
    assert provide(lock, ws, arch=X86_64).digest != provide(lock, ws).digest


def test_a_build_machine_without_wheels_is_told_which_have_them(
    lock: ToolchainLock, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on(monkeypatch, AARCH64)
    with pytest.raises(NotAvailable, match="does not run on this aarch64 machine; its wheels are for x86_64"):
        provide(lock, ws)


def test_the_wheel_is_the_one_of_version_and_machine() -> None:
    files = (
        "acme-1.0-py3-none-macosx_13_0_x86_64.whl",
        "acme-1.0-py3-none-manylinux_2_12_i686.whl",
        "acme-1.0-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl",
        "acme-1.0.post1-py3-none-manylinux_2_12_x86_64.whl",
        "acme-1.0.tar.gz",
    )
    assert choose_wheel(files, "1.0", X86_64) == files[2]
    assert choose_wheel(files, "1.0", AARCH64) == ""


def test_the_lock_leaves_out_machines_that_lack_a_wheel(
    ws: Workspace, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", web.url("/simple"))
    fetch_module.package_index.cache_clear()
    web.add_package("acme", "acme-1.0-py3-none-manylinux_2_28_x86_64.whl", SPY)
    lock = lock_toolchain("acme", RECIPE, "0" * 64, ws=ws)
    file, sha256 = "acme-1.0-py3-none-manylinux_2_28_x86_64.whl", hashlib.sha256(SPY).hexdigest()
    assert lock.wheels == {"x86_64": (Download(file=file, sha256=sha256, pypi="acme"),)}
    with pytest.raises(NotAvailable, match="no wheels for any build machine of: acme 2"):
        lock_toolchain("acme", msgspec.structs.replace(RECIPE, wheels={"acme": "2"}), "0" * 64, ws=ws)
    with pytest.raises(NotAvailable, match="--offline"):
        lock_toolchain("acme", RECIPE, "0" * 64, ws=replace(ws, offline=True))


def test_every_program_of_a_toolchain_has_a_wrapper() -> None:
    wrappers = render_wrappers(RECIPE, AARCH64, Path("/tools"), Path("/cache"))
    assert set(wrappers) == {"cc", "c++", "host-cc", "host-c++", "ar", "ranlib", "nm", "strip", "objcopy"}
