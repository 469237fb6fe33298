"""The device contract: what one kind of box can load. A fact that is absent is unknown, and never passes for "yes"."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from edgebuild.model.arch import ArchName
from edgebuild.model.elf import parse_version
from edgebuild.model.recipe import Record

Version = Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)*$")]  # "2.31"
Packing = Literal["none", "gzip", "zstd"]


class CpuSpec(Record, frozen=True, omit_defaults=True):
    """model: what is on the box. emulated_as: nearest lower CPU that the emulator knows.

    features: as /proc/cpuinfo lists them ("atomics", "asimddp", "avx2"); None: nobody has looked.
    cpuinfo: lines of /proc/cpuinfo ("CPU part" -> "0xd03") for emulators that show the host's instead.
    """

    model: str
    emulated_as: str
    features: tuple[str, ...] | None = None
    cpuinfo: dict[str, str] = msgspec.field(default_factory=dict)


class PythonFacts(Record, frozen=True, omit_defaults=True):
    """An interpreter on the box. soabi: "cpython-39-aarch64-linux-gnu"; path: where it is."""

    version: Version  # "3.9"
    soabi: str = ""
    path: str = ""


class MountedFile(Record, frozen=True, omit_defaults=True):
    """A host file that the box's container runtime lays into every image, and what it needs in there.

    path: in the container. needs: highest version per node family ({"GLIBC": "2.34"}). needed: its NEEDED entries.
    everywhere: False where only some boxes of a fleet lay it in, so that images may neither count on it nor against it.
    """

    path: str
    soname: str = ""
    needed: tuple[str, ...] = ()
    needs: dict[str, Version] = msgspec.field(default_factory=dict)
    provides: dict[str, Version] = msgspec.field(default_factory=dict)
    everywhere: bool = True


class EngineFacts(Record, frozen=True, omit_defaults=True):
    """The container engine. None: unknown.

    layers: packings of layers that it unpacks. seccomp: libseccomp's version; one before 2.4.4 answers EPERM where a
    newer glibc expects ENOSYS. mounts: see MountedFile; () means that nothing is mounted.
    """

    name: Literal["docker", "podman", "containerd"]
    version: Version | None = None
    layers: tuple[Packing, ...] | None = None
    seccomp: Version | None = None
    mounts: tuple[MountedFile, ...] | None = None


class ModelFacts(Record, frozen=True, omit_defaults=True):
    """What model files the box's runtime takes. format: name of a description below cpp_core/backends/*/model.yaml."""

    format: str
    chip: str = ""
    version: Version | None = None


class Contract(Record, frozen=True, omit_defaults=True):
    """edgebuild/contracts/NAME.yaml: what the box can load. None or absent: unknown.

    libraries: SONAME -> highest node per family ({"GLIBC": "2.31"}; {} for a library without versions). It is the whole
        list of what a program of others may use; a SONAME that is not in it is not on the box.
    symbols: file beside this one with the exported symbols of some of these libraries (see edgebuild.contracts).
    programs: absolute paths of interpreters that scripts may name. loaders: those of dynamic loaders.
    versions: SDK, driver and firmware by name ("libacme" -> "0.4.9").
    signs: what a probed box of this kind says of these: name of a version -> pattern of the whole value.
    sources: where facts come from, by key of this record; "" for all others.
    """

    title: str
    arch: ArchName
    cpu: CpuSpec
    libraries: dict[str, dict[str, Version]]
    symbols: str = ""
    page_size: int | None = None
    kernel: Version | None = None
    glibc: Version | None = None
    pythons: tuple[PythonFacts, ...] | None = None
    programs: tuple[str, ...] | None = None
    loaders: tuple[str, ...] | None = None
    engine: EngineFacts | Literal["none"] | None = None
    model: ModelFacts | None = None
    free_bytes: int | None = None
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    signs: dict[str, str] = msgspec.field(default_factory=dict)
    sources: dict[str, str] = msgspec.field(default_factory=dict)

    def bears_signs_of(self, kind: Contract) -> bool:
        """Whether a box with this contract looks like one of that kind; never where the kind has no signs."""
        return (
            self.arch == kind.arch
            and bool(kind.signs)
            and all(re.fullmatch(pattern, self.versions.get(name, "")) for name, pattern in kind.signs.items())
        )

    def is_at_least(self, kind: Contract) -> bool:
        """Whether that kind's architecture and C library are here: all that a kind without signs is known by."""
        ours, theirs = self.glibc, kind.glibc
        return self.arch == kind.arch and bool(ours and theirs and parse_version(ours) >= parse_version(theirs))


class Provided(msgspec.Struct, frozen=True):
    """A contract with the symbols that its sidecar file lists, as the audit takes it.

    symbols: SONAME -> {"fmod@GLIBC_2.38", "deflate"}; a library that is not in it has unknown symbols.
    """

    contract: Contract
    symbols: dict[str, frozenset[str]] = msgspec.field(default_factory=dict)

    def nodes(self, library: str) -> frozenset[str]:
        """Version nodes that its symbols have; empty where nobody knows them."""
        return _nodes(self.symbols.get(library, frozenset()))

    def names(self, library: str) -> frozenset[str]:
        """Its symbols, without versions; empty where nobody knows them."""
        return _names(self.symbols.get(library, frozenset()))


@lru_cache(maxsize=4096)
def _nodes(symbols: frozenset[str]) -> frozenset[str]:
    return frozenset(node for _, _, node in (each.partition("@") for each in symbols) if node)


@lru_cache(maxsize=4096)
def _names(symbols: frozenset[str]) -> frozenset[str]:
    return frozenset(each.partition("@")[0] for each in symbols)


class Waiver(Record, frozen=True, omit_defaults=True):
    """A finding that somebody has looked at and accepts for a time. file: a glob. until: the last day of it."""

    code: Annotated[str, msgspec.Meta(pattern=r"^A\d{3}\Z")]
    reason: Annotated[str, msgspec.Meta(min_length=1)]
    until: date
    file: str = "*"
    mentions: str = ""  # text that the message has to contain
