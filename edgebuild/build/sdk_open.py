"""Whatever a vendor hands out, as a folder: archives of all kinds, a set of packages, a script with an archive behind
it, a folder as it lies. Nothing of it is started.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.inputs.image import is_image_layout, unpack_image
from edgebuild.model.arch import ArchName
from edgebuild.packed import Bounds, packer_of
from edgebuild.self_extracting import find_payload, is_script
from edgebuild.unpack import make_merged_usr, unpack_deb, unpack_tar, unpack_zip
from edgebuild.workspace import Workspace

Keep = Callable[[str], bool]

_DEB_MAGIC = b"!<arch>\ndebian-binary"
_PACKAGES = (".deb", ".whl")  # a folder of these is a set that belongs together
_ARCHIVES = (".tar", ".gz", ".tgz", ".xz", ".txz", ".bz2", ".tbz2", ".zst", ".zip", ".whl", ".deb", ".run")


@dataclass(frozen=True)
class Opened:
    """root: may be the user's own folder, so nothing is written there. is_system: a whole root, of which an SDK is a
    part, so that links from one part to another are no escapes. absolute: links that name a place from the root on.
    """

    root: Path
    is_system: bool = False
    absolute: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def open_sdk(
    source: Path,
    inner: Sequence[str] = (),
    *,
    keep: Keep | None = None,
    arch: ArchName | None = None,
    ws: Workspace,
) -> Iterator[Opened]:
    """inner: an archive in the archive, and one in that. arch: of an image for several. keep: says by name which files
    are wanted, where not to unpack the others saves time.

    Raises ConfigError, NotAvailable, VerificationError.
    """
    with ws.scratch("sdk") as scratch:
        place, opened = source, Opened(source)
        for depth, wanted in enumerate((*inner, "")):
            opened = _open(place, scratch / str(depth), wanted.__eq__ if wanted else keep, arch, ws)
            place = opened.root / wanted
            if wanted and not (place.is_file() and place.resolve().is_relative_to(opened.root.resolve())):
                msg = f"--inner {wanted}: {source.name} has no such file"
                raise ConfigError(msg, "without --inner, what is in it is listed if it holds no library.")
        yield opened


def _open(source: Path, root: Path, keep: Keep | None, arch: ArchName | None, ws: Workspace) -> Opened:
    if source.is_dir() and not is_image_layout(source):
        packages = sorted(path for path in source.iterdir() if path.suffix in _PACKAGES)
        return _open_packages(packages, root, ws) if packages else Opened(source)
    with ws.log.step(f"Unpacking {source.name}"):
        root.mkdir()
        if source.is_dir():
            unpack_image(source, root, Bounds.of(source.name, _size_bytes(source)), arch=arch)
            return Opened(root, is_system=True)
        return _open_file(source, root, keep, arch)


def _open_packages(packages: Sequence[Path], root: Path, ws: Workspace) -> Opened:
    """Into one root, as they would be installed."""
    absolute: dict[str, str] = {}
    root.mkdir()
    if any(package.suffix == ".deb" for package in packages):
        make_merged_usr(root)
    with ws.log.step(f"Unpacking {len(packages)} packages"):
        for package in packages:
            if package.suffix == ".deb":
                unpack_deb(package, root, absolute=absolute)
            else:
                unpack_zip(package, root, absolute=absolute)
    return Opened(root, is_system=True, absolute=absolute)


def _open_file(source: Path, root: Path, keep: Keep | None, arch: ArchName | None) -> Opened:
    absolute: dict[str, str] = {}
    if _starts_with(source, _DEB_MAGIC):
        make_merged_usr(root)
        unpack_deb(source, root, absolute=absolute)
        return Opened(root, is_system=True, absolute=absolute)  # links may lead into packages that it depends on
    if is_script(source):
        offset = find_payload(source)
        if offset is None:
            raise _no_payload(source)
        unpack_tar(source, root, offset=offset, absolute=absolute)
        return Opened(root, absolute=absolute)
    if zipfile.is_zipfile(source):
        unpack_zip(source, root, keep=keep, absolute=absolute)
        return Opened(root, absolute=absolute)
    if not _may_be_tar(source):
        msg = (
            f"{source.name}: neither a tar archive of any packing, a zip, a wheel, a .deb nor a script with one behind"
        )
        raise ConfigError(msg, "unpack it with its own tool, without starting it, and import the folder.")
    unpack_tar(source, root, absolute=absolute)
    if not is_image_layout(root):
        return Opened(root, absolute=absolute)
    layers = root.with_name(f"{root.name}-image")
    layers.mkdir()
    unpack_image(root, layers, Bounds.of_file(source), arch=arch)
    return Opened(layers, is_system=True)


def _may_be_tar(source: Path) -> bool:
    with source.open("rb") as file:
        head = file.read(512)
    return packer_of(head) != "none" or head[257:262] == b"ustar" or source.suffix == ".tar"


def _no_payload(source: Path) -> NotAvailable:
    msg = f"{source.name}: a script, and no tar archive was found behind it; it is not started to get at what is in it"
    hint = (
        f"unpack it by hand in a container without network, then import the folder: most take `sh {source.name} "
        "--noexec --target FOLDER`, others `--extract=FOLDER` or `-x`; `--help` says which."
    )
    return NotAvailable(msg, hint)


def archives_in(root: Path) -> str:
    """A hint that names some; "" where there are none."""
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix in _ARCHIVES)
    return f"archives in it are not opened by themselves: --inner {' or '.join(found[:3])}." if found else ""


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
