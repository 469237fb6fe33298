"""What a probe looks for beyond a plain Linux: rows of data, because every maker has files and words of its own."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgebuild.model.recipe import Record

# They become words of a box's script, so their letters are plain ones.
Pattern = Annotated[str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9._*?,+@:=-]+)+\Z")]
Words = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_./-]+( [A-Za-z0-9_./=-]+)*\Z")]
MountFormat = Literal["csv", "list", "cdi"]


class VersionRule(Record, frozen=True):
    """Contract.versions[name] = the first group of `regex` in what one of the places says.

    files: text files on the box. package: of its package manager, whose version is the text. command: what it prints,
    asked on a live box only. library: SONAME of a library whose bytes are searched.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]*\Z")]
    regex: str = r"(.+)"
    files: tuple[Pattern, ...] = ()
    package: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.+-]*\Z")] | None = None
    command: Words | None = None
    library: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._+-]+\Z")] | None = None


class MountRule(Record, frozen=True):
    """Files that say what the box's container runtime lays into every image.

    csv: lines "lib, /path", "sym, /path", "dir, /path"; others are no files. list: a path a line. cdi: the Container
    Device Interface's specs, containerEdits.mounts.
    """

    files: tuple[Pattern, ...]
    format: MountFormat


class ProbeRules(Record, frozen=True):
    """edgebuild/probe/rules/*.yaml, all of them together."""

    versions: tuple[VersionRule, ...] = ()
    mounts: tuple[MountRule, ...] = ()
