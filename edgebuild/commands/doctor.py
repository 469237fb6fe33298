"""edgebuild doctor: what is missing on this machine, what still works without it, and how to get it."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec

from edgebuild.apt import KEYRING
from edgebuild.build.cmake import tool
from edgebuild.commands.context import Context, json_option, print_json, print_table
from edgebuild.config.targets import load_toolchain
from edgebuild.errors import ConfigError, EdgebuildError, NotAvailable
from edgebuild.fetch import cached_path
from edgebuild.mirror import debian_mirror
from edgebuild.model.arch import ARCHES, host_arch
from edgebuild.model.recipe import ImportedGcc
from edgebuild.workspace import Workspace

_CACHE_BYTES = 4_000_000_000  # toolchain 0.5 GB, compiler caches 1 GB, sysroots and libraries 1 GB, head room


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """found: what is there, "" when it is missing. without: what still works; remedy: how to get it."""

    need: str
    found: str
    without: str = ""
    remedy: str = ""


@click.command("doctor")
@json_option
@click.pass_obj
def command(ctx: Context, as_json: bool) -> None:
    """Say what is missing on this machine and what still works without it."""
    checks = examine(ctx.ws)
    if as_json:
        print_json({"schema": "edgebuild.doctor/1", "checks": [msgspec.to_builtins(check) for check in checks]})
    else:
        print_table([("ok" if c.found else "MISSING", c.need, c.found or c.without) for c in checks], ("", "need", ""))
        for check in checks:
            if not check.found:
                click.echo(f"  {check.need}: {check.remedy}")
    if missing := [check.need for check in checks if not check.found]:
        msg = f"missing here: {', '.join(missing)}"
        raise NotAvailable(msg, "the table says what still works and how to get the rest.")


def examine(ws: Workspace) -> list[Check]:
    """Every check, in the order in which a build would meet it. Touches nothing but the cache folder."""
    emulators = [arch.qemu for arch in ARCHES.values() if arch != host_arch()]
    return [
        Check(
            need="build machine",
            found=_try(lambda: host_arch().name),
            without="nothing",
            remedy="use an x86-64 Linux machine",
        ),
        Check(need="cmake", found=_program(tool("cmake")), without="nothing", remedy="pip install cmake"),
        Check(need="ninja", found=_program(tool("ninja")), without="nothing", remedy="pip install ninja"),
        Check(
            need="apt with a Debian mirror",
            found=_try(lambda: "configured" if debian_mirror("bookworm") else ""),
            without="`build --core-only` (runner, backends, ONNX Runtime); video and JPEG input and wheels do not",
            remedy="use Debian, or set EDGEBUILD_DEBIAN_MIRROR on a machine with apt",
        ),
        Check(
            need="Debian archive keyring",
            found=str(KEYRING) if KEYRING.is_file() else "",
            without="what needs no new sysroot lock",
            remedy="apt-get install debian-archive-keyring",
        ),
        Check(
            need="libatomic.so.1",
            found=_library("libatomic.so.1"),
            without="nothing: the toolchain's strip and objcopy need it",
            remedy="apt-get install libatomic1",
        ),
        Check(
            need="make",
            found=_program("make"),
            without="`build --core-only`; FFmpeg is built with make",
            remedy="apt-get install make",
        ),
        *(
            Check(
                need=name,
                found=_program(name),
                without="build and audit; `edgebuild run` of this architecture does not",
                remedy="apt-get install qemu-user-static",
            )
            for name in emulators
        ),
        *_imported_toolchains(ws),
        Check(
            need="cache folder",
            found=_cache(ws.cache),
            without="nothing",
            remedy=f"free {_CACHE_BYTES // 10**9} GB, or set EDGEBUILD_CACHE to another place",
        ),
    ]


def _imported_toolchains(ws: Workspace) -> Iterator[Check]:
    """The project's own, each of which is one archive that no index has."""
    for name in ws.names("toolchains"):
        try:
            _, lock = load_toolchain(name, ws)
        except ConfigError as err:
            remedy = err.hint or "correct it"
            yield Check(
                need=f"toolchain '{name}'", found="", without=f"what it compiles ({err.message})", remedy=remedy
            )
            continue
        if imported := lock.imported:
            runs = imported.build_machine == platform.machine() and bool(_archive(imported, ws))
            yield Check(
                need=f"toolchain '{name}'",
                found=_archive(imported, ws) if runs else "",
                without=f"what it compiles (it runs on {imported.build_machine})",
                remedy=f"`edgebuild toolchain provide {name} --archive FILE`, FILE: {imported.archive.file}",
            )


def _archive(imported: ImportedGcc, ws: Workspace) -> str:
    """Where it is, or may be fetched from."""
    place = cached_path(imported.archive, ws)
    return str(place) if place.is_file() else imported.archive.url


def _program(name: str) -> str:
    return shutil.which(name) or ""


def _library(soname: str) -> str:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return ""
    return "loads"


def _try(question: Callable[[], str]) -> str:
    try:
        return question()
    except EdgebuildError:
        return ""


def _cache(folder: Path) -> str:
    """Path and free space; "" when it cannot be written or is too small."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
    except OSError:
        return ""
    if not os.access(folder, os.W_OK) or free_bytes < _CACHE_BYTES:
        return ""
    return f"{folder} ({free_bytes / 1e9:.0f} GB free)"
