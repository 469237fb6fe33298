"""A tree as one archive in the cache: how it is packed, and how it is unpacked and compared with its lock.

Equal trees give equal tar bytes.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from edgebuild.digest import digest_tree, sha256_file
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.fetch import cached_path, fetch, verify
from edgebuild.model.recipe import Download
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace

_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3


@dataclass(frozen=True)
class PackedFile:
    """One of three: a folder, a link (`link` is what it holds), a file (`content` is where its bytes are)."""

    path: str
    link: str = ""
    content: Path | None = None
    executable: bool = False


def pack(
    file: str,
    top: str,
    members: Iterable[PackedFile],
    *,
    packer: Literal["gzip", "zstd"],
    ws: Workspace,
    undo: ExitStack | None = None,
) -> Download:
    """top: the archive's one folder. packer: zstd takes a fifth of the time, gzip is unpacked by every tool.

    undo: takes it out of the cache again, unless it was there before.
    """
    with ws.scratch("pack") as scratch:
        packed = scratch / file
        with (
            packed.open("wb") as raw,
            _packing(raw, packer) as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as archive,
        ):
            for each in members:
                _add(archive, f"{top}/{each.path}", each)
        download = Download(file=file, sha256=sha256_file(packed), size_bytes=packed.stat().st_size)
        place = cached_path(download, ws)
        place.parent.mkdir(parents=True, exist_ok=True)
        if undo and not place.exists():
            undo.callback(place.unlink, missing_ok=True)
        packed.replace(place)
    return download


def unpack_packed(archive: Download, tree: str, root: Path, *, what: str, verb: str, ws: Workspace) -> None:
    """The packed tree in `root`, compared with its digest. what: "SDK 'acme'"; verb: "sdk provide acme".

    Raises NotAvailable, VerificationError.
    """
    place = cached_path(archive, ws)
    if not place.is_file() and not archive.url:
        msg = f"{what} was imported on another machine, and its archive {archive.file} is not here"
        raise NotAvailable(msg, f"`edgebuild {verb} --archive FILE` takes it from a file; import it again to make it.")
    if not place.is_file():
        with ws.log.step(f"Fetching {archive.file} ({archive.size_bytes / 1e6:.0f} MB)") as step:
            fetch(archive, ws=ws, step=step)
    verify(place, archive)
    root.mkdir(parents=True, exist_ok=True)
    unpack_tar(place, root, strip=1)
    if digest_tree(root) != tree:
        msg = f"{what}: the files in {archive.file} are not those that its lock states"
        raise VerificationError(msg, "lock and archive are of different imports; take both from the same one.")


def _add(archive: tarfile.TarFile, name: str, each: PackedFile) -> None:
    member = tarfile.TarInfo(name)
    if each.link:
        member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, each.link
        archive.addfile(member)
    elif each.content is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(member)
    else:
        member.mode = 0o755 if each.executable else 0o644
        member.size = each.content.stat().st_size
        with each.content.open("rb") as content:
            archive.addfile(member, content)


@contextmanager
def _packing(raw: IO[bytes], packer: Literal["gzip", "zstd"]) -> Iterator[IO[bytes]]:
    if packer == "gzip":
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=_GZIP_LEVEL) as stream:
            yield stream  # type: ignore[misc]
    else:
        import zstandard  # late: few commands need it

        with zstandard.ZstdCompressor(level=_ZSTD_LEVEL).stream_writer(raw, closefd=False) as stream:
            yield stream
