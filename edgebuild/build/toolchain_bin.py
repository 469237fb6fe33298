"""A toolchain's bin/: shell scripts that hold paths, target and flags, so that no environment is needed to run them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgebuild.digest import digest_of
from edgebuild.workspace import Workspace

LLVM_TOOLS = {"nm": "llvm-nm", "strip": "llvm-strip", "objcopy": "llvm-objcopy"}
PROGRAMS = ("ar", "ranlib", *LLVM_TOOLS)


def provide_bin(name: str, scripts: Mapping[str, str], key: str, title: str, *, ws: Workspace) -> Path:
    """A folder with bin/PROGRAM for every script. key: digest of what decides the compiled bytes."""

    def make(product: Path) -> None:
        write_scripts(product / "bin", scripts)

    return ws.provide("toolchains", name, digest_of([key, str(ws.cache)]), make, title)


def write_scripts(folder: Path, scripts: Mapping[str, str]) -> None:
    """Executable files, program name -> text."""
    folder.mkdir()
    for program, text in scripts.items():
        path = folder / program
        path.write_text(text)
        path.chmod(0o755)


def render_tool(program: Path, *arguments: str) -> str:
    """A script that is another program."""
    return f'#!/bin/sh\nexec {quoted([str(program), *arguments])} "$@"\n'


def quoted(words: Iterable[str]) -> str:
    """For a shell, whatever is in the words."""
    return " ".join(map(shlex.quote, words))
