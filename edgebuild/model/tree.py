"""What was read from an artifact: its ELF files, whatever else in it has an architecture, and its wrapping."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgebuild.model.contract import Packing
from edgebuild.model.elf import ElfFacts

OtherKind = Literal["script", "pyc", "archive", "model", "damaged", "link"]


class OtherFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is no ELF file but can still fail on a box.

    value, by kind: "script": its interpreter's path, then what env is told to find ("/usr/bin/env python3").
    "pyc": the Python minor it was compiled by ("3.9"; "" for one that we do not know). "archive": machines of its
    members, sorted ("EM_AARCH64 EM_X86_64"). "model": format, chip and version as its header says them.
    "damaged": what is wrong with it. "link": target of a symlink that leads nowhere inside the artifact.
    """

    name: str
    kind: OtherKind
    value: str
    executable: bool = False


class WheelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """tags: expanded, from the file name ("cp39-abi3-manylinux2014_aarch64"); wheel_tags: from its WHEEL file."""

    file: str
    tags: tuple[str, ...]
    wheel_tags: tuple[str, ...] = ()
    pure: bool = False  # Root-Is-Purelib


class LayerFacts(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    packing: Packing
    size_bytes: int


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """architecture, os: as its config says ("arm64", "linux"). command: entrypoint and arguments.

    form: how the archive is written; a "both" has OCI's index.json and docker's manifest.json.
    ld_library_path: of the config's environment.
    """

    form: Literal["oci", "docker", "both", "engine"]
    reference: str = ""
    architecture: str = ""
    os: str = "linux"
    layers: tuple[LayerFacts, ...] = ()
    command: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    ld_library_path: tuple[str, ...] = ()


class TreeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact as a box would meet it. Names are below its root, with "/", never absolute.

    system: True for a whole root file system (an image, a Debian package, a root folder), where the loader's default
        folders and /etc/ld.so.conf.d count; False for a tree that lies somewhere on the box.
    loader_path: those folders of a system ("lib/aarch64-linux-gnu", ...). links: symlink -> what it resolves to, both
        below the root (only those that lead to a file or folder in it).
    """

    path: str
    kind: Literal["file", "folder", "wheel", "tar", "deb", "image"]
    elves: tuple[ElfFacts, ...] = ()
    others: tuple[OtherFile, ...] = ()
    links: dict[str, str] = {}
    system: bool = False
    loader_path: tuple[str, ...] = ()
    size_bytes: int = 0
    wheel: WheelFacts | None = None
    image: ImageFacts | None = None
