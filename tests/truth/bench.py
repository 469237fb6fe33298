"""The workbench of our own artifacts: zig for any glibc, its bare linker for what its driver won't do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from edgebuild.build.toolchain import provide_toolchain
from edgebuild.config.targets import toolchain_spec
from edgebuild.digest import digest_of
from edgebuild.model.arch import ARCHES, host_arch
from edgebuild.model.project import ToolchainWish
from edgebuild.run import CLEAN_BUILD_ENV, Command, run
from edgebuild.workspace import Workspace
from tests.truth.artifacts import Trial

_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Compiler:
    """cc: zig as C compiler; a later -target overrules its own. zig: the program itself. digest: of both."""

    cc: Path
    zig: Path
    digest: str

    @staticmethod
    def provide(ws: Workspace) -> Compiler:
        spec = toolchain_spec(ToolchainWish(name="zig"), ws)
        toolchain = provide_toolchain(spec, ARCHES["aarch64"], ws=ws, run=run)
        wheels = digest_of([wheel.sha256 for wheel in spec.lock.wheels[host_arch().name]])
        return Compiler(toolchain.cc, ws.product("toolchains", "zig", wheels) / "ziglang/zig", toolchain.digest)


@dataclass
class Bench:
    """folder: the artifact. alone: the one file that the audit gets instead."""

    folder: Path
    scratch: Path
    compiler: Compiler
    alone: str = ""
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    def program(self, output: str, source: str, *arguments: str | Path, libc: str = "gnu.2.17") -> Path:
        return self._compile(output, source, *arguments, libc=libc)

    def library(self, output: str, source: str, *arguments: str | Path, libc: str = "gnu.2.17") -> Path:
        """Its SONAME is its file's name, unless the arguments say another."""
        path = self.place(output)
        words = [f"-Wl,-soname,{path.name}"] if not any("-soname" in str(each) for each in arguments) else []
        return self._compile(output, source, "-shared", "-fPIC", *words, *arguments, libc=libc)

    def stub(self, name: str, source: str, *arguments: str | Path) -> Path:
        """A library to link against that stays at home. name: its SONAME."""
        return self.library(str(self.scratch / name), source, *arguments)

    def linked(self, output: str, source: str, *arguments: str | Path) -> Path:
        """A library by the bare linker, which takes every option; no C library unless it is among the arguments."""
        objects = self._compile(str(self.scratch / f"o{next(self._serial)}.o"), source, "-c", "-fPIC")
        path = self.place(output)
        self._call(self.compiler.zig, "ld.lld", "-shared", "-soname", path.name, "-o", path, objects, *arguments)
        return path

    def place(self, name: str) -> Path:
        """Below the artifact's folder, unless it is a whole path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def script(self, text: str) -> Path:
        """A linker's version script."""
        path = self.scratch / f"v{next(self._serial)}.map"
        path.write_text(text)
        return path

    @cached_property
    def libc_stub(self) -> Path:
        """libc.so.6 with a few functions of GLIBC_2.17, for the bare linker."""
        names = self.script("GLIBC_2.17 { puts; abort; malloc; free; };\n")
        source = "void puts(void){} void abort(void){} void malloc(void){} void free(void){}"
        return self.stub("libc.so.6", source, "-nostdlib", "-fno-builtin", f"-Wl,--version-script={names}")

    def _compile(self, output: str, source: str, *arguments: str | Path, libc: str = "gnu.2.17") -> Path:
        file = f"s{next(self._serial)}.c"  # relative and stripped: the same bytes wherever it is built
        (self.scratch / file).write_text(source)
        path = self.place(output)
        target = () if libc == "gnu.2.17" else ("-target", f"aarch64-linux-{libc}")
        self._call(self.compiler.cc, *target, "-O1", "-w", "-s", file, "-o", path, *arguments)
        return path

    def _call(self, *argv: str | Path) -> None:
        run(Command(*argv, cwd=self.scratch, env=CLEAN_BUILD_ENV, timeout_s=_TIMEOUT_S))


Trials = tuple[Trial, ...]
Make = Callable[[Bench], Trials]


def start(what: str) -> Trials:
    return (Trial("start", what),)


def load(what: str) -> Trials:
    """By dlopen, in a program that knows nothing of it."""
    return (Trial("open", what),)


def imported(module: str) -> Trials:
    return (Trial("import", module),)
