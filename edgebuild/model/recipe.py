"""What toolchains/ and sysroots/ ask for (YAML, reviewed) and what it resolved to (lock, generated)."""

from __future__ import annotations

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
    """sysroots/NAME.yaml: packages of one distribution release, through the host's own apt."""

    title: str
    distribution: Literal["debian"]
    suite: str
    arch: ArchName
    packages: tuple[str, ...]
    drop: tuple[str, ...] = ()  # globs below the root that nobody needs (documentation, locales)


class SysrootLock(Record, frozen=True):
    """sysroots/NAME.lock. recipe: digest of the YAML; glibc: version of libc6 without the Debian revision."""

    recipe: str
    glibc: str
    packages: tuple[Download, ...]


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


class RuntimeRecipe(Record, frozen=True):
    """cpp_core/backends/NAME/runtime.yaml: what ships beside a backend's module."""

    bundle: tuple[BundledLibrary, ...]
