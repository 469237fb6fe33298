"""What an ELF file says about itself, and what an audit of such facts finds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec

# Version nodes without a number, and the release that brought them.
# Sources: glibc NEWS 2.36 (DT_RELR); libstdc++ "ABI Policy and Guidelines", GCC 4.7.0 (transactional memory).
NAMED_NODES = {"GLIBC_ABI_DT_RELR": ("GLIBC", "2.36"), "CXXABI_TM_1": ("CXXABI", "1.3.6")}
_NODE = re.compile(r"(?P<family>.+?)_(?P<version>\d+(?:[._]\d+)*)")


class VersionNode(msgspec.Struct, frozen=True, order=True):
    """A symbol version: family "GLIBC", version (2, 31). version is empty where the name carries no number."""

    family: str
    version: tuple[int, ...]

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(name: str) -> VersionNode:
        """From "GLIBC_2.31". "GLIBC_PRIVATE" has no version."""
        if name in NAMED_NODES:
            family, text = NAMED_NODES[name]
            return VersionNode(family, parse_version(text))
        if match := _NODE.fullmatch(name):
            return VersionNode(match["family"], parse_version(match["version"].replace("_", ".")))
        return VersionNode(name.partition("_")[0], ())


@lru_cache(maxsize=4096)
def parse_version(text: str) -> tuple[int, ...]:
    """ "2.31" -> (2, 31), so that 2.4 < 2.31."""
    return tuple(int(part) for part in text.split("."))


class IsaUse(msgspec.Struct, frozen=True, kw_only=True):
    """Instructions of one CPU feature in one file. count: all but the guarded. where: first one's function or address.

    guarded: those behind a test of the feature that the compiler itself emits (outline atomics).
    """

    count: int
    where: str = ""
    guarded: int = 0


class ElfFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ELF file. Tuples are sorted, unless the file's own order counts.

    name: its path below the tree it was read from, with "/".
    also: symlinks in the tree that lead here (the loader looks for names, and libx.so.1 often is a link).
    needed_versions: library -> version node -> symbols bound to it; nodes that only weak references ask
        for are left out, because the loader goes on without them.
    exported, undefined, weak: "fmod@GLIBC_2.38", or "fmod" without a version. undefined: those that must be found;
        weak: those that may stay unfound.
    alignment: lowest alignment that a loadable segment states, in bytes. largest_page: up to which page size the file
        can be mapped in fact; 0: not known.
    min_kernel: of NT_GNU_ABI_TAG; the loader refuses an older one.
    opens: names of libraries in its strings, which it may hand to dlopen.
    paths: folders of a build machine in its strings, such as somebody's home.
    isa: CPU feature beyond the architecture's first version -> its use; None: not disassembled.
    dispatch: signs that it asks the CPU before it uses a feature ("getauxval", "/proc/cpuinfo", "ifunc", ...).
    """

    name: str
    machine: str  # "EM_AARCH64"
    bits: int
    endianness: Literal["little", "big"]
    kind: Literal["executable", "shared", "object"]
    os_abi: int = 0
    also: tuple[str, ...] = ()
    soname: str = ""
    needed: tuple[str, ...] = ()  # in the order of loading
    runpath: tuple[str, ...] = ()  # in the order of searching; RPATH where there is no RUNPATH
    is_rpath: bool = False  # RPATH, which its libraries inherit
    needed_versions: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    defined_versions: tuple[str, ...] = ()
    exported: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    interpreter: str = ""
    build_id: str = ""
    has_debug: bool = False
    exec_stack: bool = False
    alignment: int = 0
    largest_page: int = 0
    text_relocations: bool = False
    writable_code: bool = False  # a loadable segment that is both writable and executable
    relr: bool = False  # compact relocations, which glibc reads from 2.36 on
    static_tls_bytes: int = 0  # thread-local storage that has to fit into the loader's spare room
    min_kernel: str = ""
    opens: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    isa: Mapping[str, IsaUse] | None = None
    dispatch: tuple[str, ...] = ()
    executable: bool = False  # its x-bit
