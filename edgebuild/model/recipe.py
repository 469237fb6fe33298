"""What toolchains/ and sysroots/ ask for (YAML, reviewed) and what it resolved to (lock, generated)."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from edgebuild.model.arch import ArchName


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything read from a user's file: immutable, unknown keys refused."""


class Download(Record, frozen=True):
    """One file, wherever it comes from. `file` is its name there; sha256 is what counts."""

    file: str
    sha256: str
    size_bytes: int = 0  # 0: not known
    pypi: str = ""  # project name on the configured Python package index
    url: str = ""  # upstream address
    apt: str = ""  # path below the distribution's mirror: pool/main/...
    suite: str = ""  # with apt: for messages and `--refresh`


class ToolchainRecipe(Record, frozen=True):
    """toolchains/NAME.yaml. wheels: project -> version; their contents are merged into one folder."""

    title: str
    kind: Literal["zig"]
    wheels: dict[str, str]
    floor: str  # glibc version everything is linked against
    cpu: dict[ArchName, str]  # -mcpu, the lowest CPU of any row of that architecture
    c_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()


class ToolchainLock(Record, frozen=True):
    """toolchains/NAME.lock. recipe: digest of the YAML it was made from. One list per build machine's architecture."""

    recipe: str
    wheels: dict[ArchName, tuple[Download, ...]]


class SysrootRecipe(Record, frozen=True):
    """sysroots/NAME.yaml: packages of one distribution release, through the host's own apt; or `imported`, what
    `edgebuild sysroot import` took from `source`.
    """

    title: str
    distribution: Literal["debian", "imported"]
    arch: ArchName
    suite: str = ""
    packages: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()  # globs below the root that nobody needs (documentation, locales)
    source: str = ""  # imported: "root@10.0.0.7", a folder or an image, for people
    also: tuple[str, ...] = ()  # imported: folders taken beside the usual places
    with_python: bool = False  # imported: interpreter and standard library, too
    static: bool = False  # imported: all static libraries that fit, rather than those that shared links need
    url: str = ""  # imported: where the archive can be fetched from

    def __post_init__(self) -> None:
        if self.distribution == "debian" and not (self.suite and self.packages):
            msg = "distribution `debian` needs `suite` and `packages`"
            raise ValueError(msg)
        if self.distribution == "imported" and (self.suite or self.packages or self.drop):
            msg = "distribution `imported` has no `suite`, `packages` or `drop`"
            raise ValueError(msg)


class ImportedTree(Record, frozen=True):
    """An imported sysroot. tree: digest of the unpacked files (digest_tree); archive: they, packed."""

    tree: str
    archive: Download
    files: int
    size_bytes: int


class SysrootLock(Record, frozen=True):
    """sysroots/NAME.lock. recipe: digest of the YAML; glibc: version of the C library, "2.31".

    packages: of a distribution; imported: of what was imported. One of both.
    """

    recipe: str
    glibc: str
    packages: tuple[Download, ...] = ()
    imported: ImportedTree | None = None

    def __post_init__(self) -> None:
        if bool(self.packages) == bool(self.imported):
            msg = "a lock has either `packages` or `imported`"
            raise ValueError(msg)


class BundledLibrary(Record, frozen=True):
    """A vendor-neutral library that a backend needs and may ship. member: its path in the wheel, per architecture."""

    name: str
    version: str
    licence: str
    install_as: str  # file name beside the backend module
    wheels: dict[ArchName, Download]
    member: str
    needs: dict[str, str]  # {"GLIBC": "2.28"}: what it is known to need, above our own floor
    notices: tuple[str, ...] = ()  # licence texts in the wheel


class BuildTool(Record, frozen=True):
    """A compiler or library of the build machine that a backend's CMakeLists.txt calls; nothing of it ships.

    CMake finds its unpacked wheel in EDGECORE_TOOLS_<name>. wheels: by the build machine's architecture.
    """

    name: str
    version: str
    licence: str
    wheels: dict[ArchName, Download]

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Z][A-Z0-9_]*", self.name):
            msg = f"a build tool's name is part of a CMake variable: capitals, digits and _, not {self.name!r}"
            raise ValueError(msg)


class RuntimeRecipe(Record, frozen=True):
    """cpp_core/backends/NAME/runtime.yaml: what ships beside a backend's module, and what its compilation calls."""

    bundle: tuple[BundledLibrary, ...] = ()
    tools: tuple[BuildTool, ...] = ()
