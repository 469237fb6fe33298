"""Container images: what a base is made from, what it is, and what became of one image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from edgebuild.model.arch import Arch, ArchName
from edgebuild.model.elf import ElfFacts
from edgebuild.model.recipe import Record

_Id = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]  # 0 would be root


class ImageUser(Record, frozen=True):
    """Who the program runs as. Not root."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z_][a-z0-9_-]*$", max_length=32)]
    uid: _Id
    gid: _Id


class ImageRecipe(Record, frozen=True):
    """images/NAME.yaml: packages of a sysroot's lock, of which only what `keep` names stays.

    keep: globs below the root; "*" does not cross folders. A folder stays only for the sake of what is in it.
    os_release: lines of /etc/os-release.
    """

    title: str
    sysroots: dict[ArchName, str]
    packages: tuple[str, ...]
    keep: tuple[str, ...]
    user: ImageUser
    os_release: dict[str, str] = msgspec.field(default_factory=dict)


class ImageBase(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest layer of an image, as a folder. elves: every library in it."""

    name: str
    digest: str
    arch: Arch
    root: Path
    user: ImageUser
    elves: tuple[ElfFacts, ...]


class LayerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """digest: "sha256:..." of the packed layer; diff_id: of its tar. size_bytes: packed; unpacked_bytes: its tar."""

    title: str
    digest: str
    diff_id: str
    size_bytes: int
    unpacked_bytes: int


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An image in a file. image_id: "sha256:..." of its configuration, what an engine that keeps layers calls it;
    manifest: "sha256:..." of its manifest, what registries and engines that keep OCI content call it.
    sha256, size_bytes: of the file.
    """

    reference: str
    image_id: str
    manifest: str
    sha256: str
    size_bytes: int
    layers: tuple[LayerFacts, ...]

    @property
    def unpacked_bytes(self) -> int:
        return sum(layer.unpacked_bytes for layer in self.layers)
