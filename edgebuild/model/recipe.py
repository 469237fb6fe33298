"""What toolchains/ and sysroots/ ask for (YAML, reviewed) and what it resolved to (lock, generated)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from edgebuild.model.arch import ArchName


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything read from a user's file: immutable, unknown keys refused."""


class Download(Record, frozen=True):
    """One file, wherever it comes from. `file` is its name there; sha256 is what counts. Both name it in the cache."""

    file: Annotated[str, msgspec.Meta(pattern=r"^[^/]+\Z")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[^/]+\Z")]
    size_bytes: int = 0  # 0: not known
    pypi: str = ""  # project name on the configured Python package index
    url: str = ""  # upstream address
    apt: str = ""  # path below the distribution's mirror: pool/main/...
    suite: str = ""  # with apt: for messages and `--refresh`


class _Toolchain(Record, frozen=True, kw_only=True, tag_field="kind"):
    """What every kind of compiler has. c_flags, link_flags: for all that is compiled with it."""

    title: str
    c_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()


class ZigRecipe(_Toolchain, frozen=True, kw_only=True, tag="zig"):
    """All in wheels: compiler, every glibc's stubs, libc++. wheels: project -> version, merged into one folder."""

    wheels: dict[str, str]
    floor: str  # glibc version everything is linked against
    cpu: dict[ArchName, str]  # -mcpu, the lowest CPU of any row of that architecture


class ClangRecipe(_Toolchain, frozen=True, kw_only=True, tag="clang"):
    """clang and lld in wheels; C library, libstdc++ and start-up files are a sysroot's, named where it is used.

    host: the toolchain whose compilers make what runs on the build machine.
    """

    wheels: dict[str, str]
    cpu: dict[ArchName, str]  # -march
    host: str


class GccRecipe(_Toolchain, frozen=True, kw_only=True, tag="gcc"):
    """A GCC with its own C library, as `edgebuild toolchain import` has found it in an archive or a folder."""

    arch: ArchName  # it compiles for
    host: str
    source: str = ""  # the archive or folder, for people
    url: str = ""  # where the archive can be fetched from


ToolchainRecipe = ZigRecipe | ClangRecipe | GccRecipe


class GccLayout(Record, frozen=True):
    """Where things are in an unpacked GCC; paths are below its root.

    programs: "cc", "c++", "ar", ... -> path. sysroot: where headers and libraries of the target are looked for; "." for
    a compiler that was configured for the root of a system. sysroot_flag: whether it has to be told.
    runtime: folders of the target's shared libraries, the C library's first.
    host_libraries: libraries that its own programs need and that come with it, but that they do not find by themselves.
    scripts: linker scripts that name their libraries by places of another machine.
    """

    triple: str
    gcc: str  # "10.2.1"
    programs: dict[str, str]
    sysroot: str
    runtime: tuple[str, ...]
    sysroot_flag: bool = False
    host_libraries: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


class ImportedGcc(Record, frozen=True):
    """An imported GCC. glibcxx: newest GLIBCXX of its libstdc++.

    proven: language -> family -> version that a small program needs which it has compiled, linked, and that has run.
    """

    archive: Download
    build_machine: ArchName
    layout: GccLayout
    glibc: str
    glibcxx: str
    proven: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class ToolchainLock(Record, frozen=True):
    """toolchains/NAME.lock. recipe: digest of the YAML it was made from.

    wheels: one list per build machine's architecture; imported: of a GCC. One of both.
    """

    recipe: str
    wheels: dict[ArchName, tuple[Download, ...]] = msgspec.field(default_factory=dict)
    imported: ImportedGcc | None = None

    def __post_init__(self) -> None:
        if bool(self.wheels) == bool(self.imported):
            msg = "a lock has either `wheels` or `imported`"
            raise ValueError(msg)


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
