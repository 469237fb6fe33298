"""Opens any artifact, of whatever tool, and reads what a box would meet in it."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from edgebuild.elf.reader import is_elf
from edgebuild.errors import ConfigError
from edgebuild.inputs.cache import FactsCache, tree_key
from edgebuild.inputs.engine import PREFIX, open_engine_image
from edgebuild.inputs.image import is_image_layout, unpack_image
from edgebuild.inputs.listing import Listing, list_file, list_tree
from edgebuild.inputs.loader_path import find_loader_path, is_system
from edgebuild.inputs.model import shipped_formats
from edgebuild.inputs.other import read_other
from edgebuild.inputs.tree import read_facts, read_one
from edgebuild.inputs.wheel import read_wheel_facts
from edgebuild.model.arch import ArchName
from edgebuild.model.tree import ImageFacts, OtherFile, TreeFacts, WheelFacts
from edgebuild.packed import Bounds, packer_of
from edgebuild.placing import printable
from edgebuild.run import Runner
from edgebuild.unpack import make_merged_usr, unpack_deb, unpack_tar, unpack_wheel
from edgebuild.workspace import Workspace

_DEB_MAGIC = b"!<arch>\ndebian-binary"
_TAR_MAGIC_AT = 257
_HEAD_BYTES = 512
_CACHE = Path("audit/facts.sqlite")


@dataclass(frozen=True)
class Artifact:
    """An artifact as a folder. root: gone when it is closed, unless it is the artifact itself."""

    root: Path
    kind: Literal["folder", "wheel", "tar", "deb", "image"]
    lasting: bool = False
    wheel: WheelFacts | None = None
    image: ImageFacts | None = None


def read_artifact(
    what: str | Path, *, ws: Workspace, run: Runner | None = None, isa: bool = True, arch: ArchName | None = None
) -> TreeFacts:
    """Facts of a folder, file, wheel, tar archive, Debian package, image archive or layout, or of "docker:IMAGE".

    isa: disassemble, too. arch: which image of several for different platforms. What has been read before is not even
    unpacked again. Raises ConfigError for what is no artifact, VerificationError for a hostile or damaged archive,
    NotAvailable without an engine.
    """
    with contextlib.closing(FactsCache(ws.cache / _CACHE)) as cache:
        if isinstance(what, str) and what.startswith(PREFIX):
            return _read_engine_image(what, cache, ws=ws, isa=isa)
        path = Path(what)
        _require(path)
        if path.is_file() and not _is_archive(path):
            return _read_file(path, isa=isa)
        listing = list_tree(path) if path.is_dir() else None
        key = tree_key(_identity(path, arch), _signatures(path, listing), isa=isa)
        tree = cache.tree(key)
        if tree is None:
            with open_artifact(path, ws=ws, arch=arch) as artifact:
                tree = _read(artifact, str(what), listing if artifact.lasting else None, cache, isa=isa)
            cache.save_tree(key, tree)
        return msgspec.structs.replace(tree, path=str(what))


@contextlib.contextmanager
def open_artifact(path: Path, *, ws: Workspace, arch: ArchName | None = None) -> Iterator[Artifact]:
    """Unpacked below the workspace's scratch, gone afterwards; a folder that is no image layout is taken as it lies."""
    if path.is_dir() and not is_image_layout(path):
        yield Artifact(path, "folder", lasting=True)
        return
    with ws.scratch("audit") as scratch:
        root = scratch / "root"
        root.mkdir()
        if path.is_dir():
            size_bytes = list_tree(path).size_bytes
            yield Artifact(root, "image", image=unpack_image(path, root, Bounds.of(path.name, size_bytes), arch=arch))
        elif zipfile.is_zipfile(path) or path.suffix == ".whl":
            facts = read_wheel_facts(path) if path.suffix == ".whl" else None
            unpack_wheel(path, root)
            yield Artifact(root, "wheel" if facts else "tar", wheel=facts)
        elif _head(path).startswith(_DEB_MAGIC):
            make_merged_usr(root)
            unpack_deb(path, root)
            yield Artifact(root, "deb")
        else:
            yield _open_tar(path, scratch / "outer", root, arch)


def _open_tar(path: Path, outer: Path, root: Path, arch: ArchName | None) -> Artifact:
    """An image's archive is opened twice: itself, then its layers."""
    bounds = Bounds.of_file(path)
    outer.mkdir()
    unpack_tar(path, outer, bounds=bounds)
    if not is_image_layout(outer):
        return Artifact(outer, "tar")
    return Artifact(root, "image", image=unpack_image(outer, root, bounds, arch=arch))


def _read_engine_image(what: str, cache: FactsCache, *, ws: Workspace, isa: bool) -> TreeFacts:
    with open_engine_image(what.removeprefix(PREFIX)) as image:
        key = tree_key(PREFIX, ((image.id, _formats()),), isa=isa)
        tree = cache.tree(key)
        if tree is None:
            with ws.scratch("engine") as scratch:
                archive = scratch / "image.tar"
                image.save(archive, ws=ws)
                with open_artifact(archive, ws=ws) as artifact:
                    tree = _read(artifact, what, None, cache, isa=isa)
            assert tree.image is not None
            facts = msgspec.structs.replace(tree.image, form="engine", reference=image.reference)
            tree = msgspec.structs.replace(tree, image=facts)
            cache.save_tree(key, tree)
        return msgspec.structs.replace(tree, path=what)


def _read(artifact: Artifact, what: str, listing: Listing | None, cache: FactsCache, *, isa: bool) -> TreeFacts:
    listing = listing or list_tree(artifact.root)
    system = artifact.kind in ("deb", "image") or is_system(listing)
    elves, others = read_facts(listing, system=system, cache=cache, isa=isa, lasting=artifact.lasting)
    resolved = listing.resolved_links(system=system)
    if artifact.kind != "deb":  # a package's links may lead into packages that it depends on
        others = (*others, *_dangling(listing, resolved, system=system))
    return TreeFacts(
        path=what,
        kind=artifact.kind,
        elves=elves,
        others=others,
        links={printable(link): printable(target) for link, target in resolved.items() if target},
        system=system,
        loader_path=find_loader_path(listing, is_image=artifact.kind == "image") if system else (),
        size_bytes=listing.size_bytes,
        wheel=artifact.wheel,
        image=artifact.image,
    )


def _dangling(listing: Listing, resolved: dict[str, str | None], *, system: bool) -> Iterator[OtherFile]:
    """In a root most lead into /proc or to pages of a manual that was left out; those of libraries matter."""
    for link, target in resolved.items():
        if target is None and (not system or ".so" in link):
            yield OtherFile(name=printable(link), kind="link", value=printable(listing.links[link]))


def _read_file(path: Path, *, isa: bool) -> TreeFacts:
    """One file for itself; what lies beside it is not on the box."""
    entry = list_file(path)
    facts = read_one(path.resolve(), entry, isa=isa) if is_elf(path.resolve()) else None
    other = facts.other if facts else read_other(path, printable(path.name))
    elves = (msgspec.structs.replace(facts.elf, executable=entry.is_executable),) if facts and facts.elf else ()
    if not elves and other is None:
        msg = f"{path}: neither a folder, an ELF file, a wheel, a package, a tarball nor an image"
        raise ConfigError(msg, "scripts, models, compiled Python and static libraries are read as well.")
    others = (other,) if other else ()
    return TreeFacts(path=str(path), kind="file", elves=elves, others=others, size_bytes=entry.size_bytes)


def _require(path: Path) -> None:
    try:
        if not (path.is_dir() or path.is_file()):
            msg = f"{path}: no such file or folder" if not path.exists() else f"{path}: neither a file nor a folder"
            raise ConfigError(msg, "an image of the engine is written docker:IMAGE, a file on a box USER@HOST:/PATH.")
        if path.is_file():
            path.open("rb").close()
    except (OSError, ValueError) as err:
        msg = f"{path}: cannot be read ({getattr(err, 'strerror', None) or err})"
        raise ConfigError(msg) from err


def _is_archive(path: Path) -> bool:
    head = _head(path)
    return (
        path.suffix == ".whl"
        or head.startswith((_DEB_MAGIC, b"PK\3\4", b"PK\5\6"))
        or head[_TAR_MAGIC_AT:].startswith(b"ustar")
        or packer_of(head) != "none"
        or path.name.endswith(".tar")
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _identity(path: Path, arch: ArchName | None) -> str:
    return f"{path.resolve()} {arch or ''}"


def _signatures(path: Path, listing: Listing | None) -> Iterator[tuple[object, ...]]:
    """Of everything that the facts of an artifact come from."""
    yield (_formats(),)
    if listing is None:
        yield list_file(path).signature
        return
    yield from (entry.signature for entry in listing.files.values())
    yield from sorted(listing.links.items())
    yield (*sorted(listing.folders), *listing.closed)


def _formats() -> str:
    """What model files are recognised by comes from data that people may change."""
    return repr(shipped_formats())
