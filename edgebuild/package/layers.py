"""Image layers: which file belongs in which, and each as a packed tar that equal contents make equal."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import msgspec

from edgebuild.digest import digest_of, sha256_file
from edgebuild.model.image import LayerFacts
from edgebuild.package.tarball import members_of
from edgebuild.workspace import Workspace, write_atomic

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on

# Counts up when the same files give other bytes than before.
_PACKING = 1
_GZIP_LEVEL = 6
_CHUNK_BYTES = 1 << 20
_TREE = "app"
_VERSIONED = re.compile(r".*\.so\.\d[\d.]*")

Member = tuple[tarfile.TarInfo, Path | None]


@dataclass(frozen=True)
class Layer:
    """title: what it is called in the image's history. members: in the order of packing, parents first."""

    title: str
    members: tuple[Member, ...]


def folder(name: str, mode: int, *, uid: int = 0, gid: int = 0) -> Member:
    """A folder that is in no tree, or needs other rights than a tree's folders get."""
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, mode, uid, gid
    return member, None


def base_layer(root: Path, *, uid: int, gid: int) -> Layer:
    """The base's files and the folders that a program may write to.

    run: for everybody, like tmp, because a tmpfs over a folder takes over its mode but not its owner (runc 1.1,
    libcontainer/rootfs_linux.go).
    """
    members: list[Member] = [(member, path) for member, path in members_of(root, "") if path != root]
    for member, _ in members:
        member.name = member.name.lstrip("/")
    own = (folder("run", 0o1777), folder("state", 0o755, uid=uid, gid=gid), folder("tmp", 0o1777))
    return Layer("base", (*members, *own))


def split_tree(tree: Path) -> tuple[Layer, ...]:
    """The installed tree below /app in layers, what changes rarely first; layers without a file are left out.

    A box that has the lower layers of the last release is sent only the upper ones.
    """
    members = list(members_of(tree, _TREE))
    folders = {member.name: member for member, _ in members if member.isdir()}
    shares: dict[str, list[Member]] = {title: [] for title in ("libraries", "runtimes", "modules", "application")}
    placed: set[str] = set()
    for member, path in members:
        if member.isdir():
            continue
        title = layer_of(PurePosixPath(member.name).relative_to(_TREE))
        shares[title].append((member, path))
        placed.update(_parents(member.name))
    empty = [(member, None) for name, member in folders.items() if name not in placed]
    shares["application"] += empty
    return tuple(Layer(title, tuple(_with_parents(share, folders))) for title, share in shares.items() if share)


def layer_of(path: PurePosixPath) -> str:
    """Layer of one file of the tree.

    libraries: shared ones in lib/, and licences. runtimes: versioned libraries (libx.so.1) in folders below lib/,
    which is how large foreign ones come. modules: what else is in such folders. application: everything else.
    """
    parts = path.parts
    if parts[:2] == ("share", "licenses"):
        return "libraries"
    if parts[0] == "lib" and len(parts) == 2 and ".so" in path.name:
        return "libraries"
    if parts[0] == "lib" and len(parts) > 2:
        return "runtimes" if _VERSIONED.fullmatch(path.name) else "modules"
    return "application"


def provide_layer(layer: Layer, *, ws: Workspace) -> tuple[Path, LayerFacts]:
    """The packed layer, made once per content, and its digests."""
    key = digest_of([_PACKING, [_identity(member, path) for member, path in layer.members]])

    def make(product: Path) -> None:
        facts = _pack(layer, product / "layer.tar.gz")
        write_atomic(product / "layer.json", msgspec.json.encode(facts))

    place = ws.provide("layers", layer.title, key, make, f"Packing layer {layer.title}")
    return place / "layer.tar.gz", msgspec.json.decode((place / "layer.json").read_bytes(), type=LayerFacts)


def _parents(name: str) -> list[str]:
    return [str(parent) for parent in reversed(PurePosixPath(name).parents) if str(parent) != "."]


def _with_parents(share: Sequence[Member], folders: dict[str, tarfile.TarInfo]) -> Iterable[Member]:
    """Every layer states the folders it needs, so that they look the same whichever layers are there."""
    seen: set[str] = set()
    for member, path in sorted(share, key=lambda each: PurePosixPath(each[0].name).parts):
        for parent in _parents(member.name):
            if parent not in seen:
                seen.add(parent)
                yield folders[parent], None
        if member.name not in seen:
            yield member, path


def _identity(member: tarfile.TarInfo, path: Path | None) -> list[str | int]:
    content = sha256_file(path) if member.isreg() and path else ""
    return [member.name, member.type.decode(), member.mode, member.uid, member.gid, member.linkname, content]


class _Digester(io.BufferedIOBase):
    """Counts and digests what is written on its way to another file."""

    def __init__(self, target: IO[bytes] | gzip.GzipFile) -> None:
        self._target, self._sha = target, hashlib.sha256()
        self.size_bytes = 0

    def write(self, content: Buffer) -> int:
        self._sha.update(content)
        self._target.write(content)
        written = memoryview(content).nbytes
        self.size_bytes += written
        return written

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha.hexdigest()}"


def _pack(layer: Layer, path: Path) -> LayerFacts:
    """Times are 0 even where SOURCE_DATE_EPOCH is set: a layer is known by its contents, so that a later release
    with the same libraries has the same layer.
    """
    with path.open("wb") as file:
        packed = _Digester(file)
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0, compresslevel=_GZIP_LEVEL) as stream:
            plain = _Digester(stream)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.GNU_FORMAT) as archive:
                for member, source in layer.members:
                    if member.isreg():
                        assert source is not None
                        with source.open("rb") as content:
                            archive.addfile(member, content)
                    else:
                        archive.addfile(member)
    return LayerFacts(
        title=layer.title,
        digest=packed.digest,
        diff_id=plain.digest,
        size_bytes=packed.size_bytes,
        unpacked_bytes=plain.size_bytes,
    )
