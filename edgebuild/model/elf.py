"""What an ELF file says about itself, and what an audit of such facts finds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

# Version nodes without a number, and the release that brought them.
# Sources: glibc NEWS 2.36 (DT_RELR); libstdc++ "ABI Policy and Guidelines", GCC 4.7.0 (transactional memory).
_NAMED_NODES = {"GLIBC_ABI_DT_RELR": ("GLIBC", "2.36"), "CXXABI_TM_1": ("CXXABI", "1.3.6")}
_NODE = re.compile(r"(?P<family>.+?)_(?P<version>\d+(?:[._]\d+)*)")


class VersionNode(msgspec.Struct, frozen=True, order=True):
    """A symbol version: family "GLIBC", version (2, 31). version is empty where the name carries no number."""

    family: str
    version: tuple[int, ...]

    @staticmethod
    def parse(name: str) -> VersionNode:
        """From "GLIBC_2.31". "GLIBC_PRIVATE" has no version."""
        if name in _NAMED_NODES:
            family, text = _NAMED_NODES[name]
            return VersionNode(family, parse_version(text))
        if match := _NODE.fullmatch(name):
            return VersionNode(match["family"], parse_version(match["version"].replace("_", ".")))
        return VersionNode(name.partition("_")[0], ())


def parse_version(text: str) -> tuple[int, ...]:
    """ "2.31" -> (2, 31), so that 2.4 < 2.31."""
    return tuple(int(part) for part in text.split("."))


class ElfFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One ELF file. Tuples are sorted, unless the file's own order counts.

    name: its path below the tree it was read from, with "/".
    also: symlinks in the tree that lead here (the loader looks for names, and libx.so.1 often is a link).
    needed_versions: library -> version node -> symbols bound to it; nodes that only weak references ask
        for are left out, because the loader goes on without them.
    alignment: lowest alignment of a loadable segment in bytes; pages larger than it cannot map the file.
    """

    name: str
    machine: str  # "EM_AARCH64"
    bits: int
    endianness: Literal["little", "big"]
    kind: Literal["executable", "shared", "object"]
    also: tuple[str, ...] = ()
    soname: str = ""
    needed: tuple[str, ...] = ()  # in the order of loading
    runpath: tuple[str, ...] = ()  # in the order of searching; RPATH where there is no RUNPATH
    needed_versions: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    defined_versions: tuple[str, ...] = ()
    exported: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()  # "fmod@GLIBC_2.38", or "fmod" where no version is asked for
    interpreter: str = ""
    build_id: str = ""
    has_debug: bool = False
    exec_stack: bool = False
    alignment: int = 0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a box could not load what would be shipped.

    severity: "error": it will not load. "unknown": nobody can say, because a fact is missing; it does not pass.
    """

    code: str
    file: str
    message: str
    hint: str = ""
    severity: Literal["error", "unknown"] = "error"
