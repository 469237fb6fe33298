"""What an archive would put on a box, read as a stream: nothing is unpacked, and memory does not grow with it."""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from edgebuild.errors import VerificationError
from edgebuild.model.release import ReleaseFile

_CHUNK_BYTES = 1 << 20
_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_-]{0,199}")
_MAX_HOPS = 40  # as Linux follows, before it says ELOOP
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_DAMAGE = (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError)


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """top: the one folder that everything lies in. files: by path below it. unpacked_bytes: of all files."""

    top: str
    files: tuple[ReleaseFile, ...]
    unpacked_bytes: int


def read_tarball(path: Path) -> Contents:
    """What a .tar.gz holds.

    Raises VerificationError for a damaged one and for what must not reach a box: a member outside of the one top
    folder, there twice, or behind a link or a file; a link that leads out; a hard link, device or pipe; a set-id
    bit; a name that a line of text could not carry.
    """
    found: dict[str, ReleaseFile | None] = {}  # None: a folder
    tops: dict[str, None] = {}
    with _members(path) as (archive, file):
        for member in archive:
            top, inside = _checked_name(member, path)
            tops[top] = None
            if inside in found:
                raise _refused(path, member.name, "is there twice")
            found[inside] = _entry(member, inside, archive, path)
        file.require_end()
    if len(tops) != 1 or found.get("") is not None:
        msg = f"{path.name}: holds {_listed(tuple(tops))} at its top instead of one folder"
        raise VerificationError(msg)
    (top,) = tops
    files = {name: entry for name, entry in sorted(found.items()) if entry is not None}
    _require_inside(files, top, path)
    return Contents(top=top, files=tuple(files.values()), unpacked_bytes=_total(files))


def image_unpacked_bytes(path: Path) -> int:
    """What an image archive takes when its layers, packed one by one, are unpacked. Raises VerificationError."""
    total_bytes = 0
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if (content := archive.extractfile(member)) is None:
                    continue
                packed = content.read(2) == b"\x1f\x8b"
                content.seek(0)
                total_bytes += _digest(gzip.GzipFile(fileobj=content))[1] if packed else member.size  # type: ignore[arg-type]
    except _DAMAGE as err:
        raise _damaged(path, str(err) or type(err).__name__) from err
    return total_bytes


def require_bytes(path: Path, *, sha256: str, size_bytes: int) -> None:
    """The file is what was written down of it. Raises VerificationError. Nothing of it is interpreted."""
    if not path.is_file():
        msg = f"{path.name}: missing"
        raise VerificationError(msg)
    if (found_bytes := path.stat().st_size) != size_bytes:
        msg = f"{path.name}: {found_bytes} bytes, expected {size_bytes}"
        raise VerificationError(msg)
    with path.open("rb") as file:
        found, _ = _digest(file)
    if found != sha256:
        msg = f"{path.name}: sha256 {found[:16]}…, expected {sha256[:16]}…: its bytes were changed"
        raise VerificationError(msg)


def is_plain_name(name: str) -> bool:
    """One path component that any shell, list and file system carries as it is."""
    return _PLAIN.fullmatch(name) is not None


@contextmanager
def _members(path: Path) -> Iterator[tuple[tarfile.TarFile, _Stream]]:
    try:
        with gzip.open(path) as unpacked:
            stream = _Stream(unpacked)
            with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
                yield archive, stream
    except _DAMAGE as err:
        raise _damaged(path, str(err) or type(err).__name__) from err


class _Stream:
    """A reader for tarfile, which alone would read a long name of any claimed size in one piece, and would take a
    damaged header for the end of the archive.
    """

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _CHUNK_BYTES:  # a header can say less than nothing, which would be read as "everything"
            msg = f"a header of {size} bytes"
            raise ValueError(msg)
        self._last = self._file.read(size)
        return self._last

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def require_end(self) -> None:
        """What tarfile took for the end is a block of zeros, with nothing but zeros behind it. Raises ValueError."""
        if self._last != bytes(tarfile.BLOCKSIZE):
            msg = "a header in it cannot be read"
            raise ValueError(msg)
        while rest := self._file.read(_CHUNK_BYTES):
            if rest.count(0) != len(rest):
                msg = "there is something behind its end"
                raise ValueError(msg)


def _checked_name(member: tarfile.TarInfo, path: Path) -> tuple[str, str]:
    """(top folder, path below it; "" for the top folder itself)."""
    parts = member.name.split("/")
    if ".." in parts or member.name.startswith("/"):
        raise _refused(path, member.name, "would leave the folder it is unpacked into")
    if not member.name.isprintable() or "\\" in member.name or not {"", "."}.isdisjoint(parts):
        raise _refused(path, member.name, "has a name that not every box can write down")
    if member.pax_headers or member.issparse():
        raise _refused(path, member.name, "has an extended header, which not every box's tar reads")
    return parts[0], "/".join(parts[1:])


def _entry(member: tarfile.TarInfo, name: str, archive: tarfile.TarFile, path: Path) -> ReleaseFile | None:
    if member.mode & ~0o777:
        raise _refused(path, member.name, f"has mode {member.mode:04o}: set-id and sticky bits have no place here")
    if member.type == tarfile.DIRTYPE:
        return None
    if member.type == tarfile.SYMTYPE:
        if not member.linkname.isprintable() or "\\" in member.linkname or not member.linkname:
            raise _refused(path, member.name, "links to a name that not every box can write down")
        return ReleaseFile(path=name, link=member.linkname)
    if member.type != tarfile.REGTYPE:
        kind = _KINDS.get(member.type, f"of type {member.type!r}")
        raise _refused(path, member.name, f"is {kind}; only files, folders and symlinks can be in a release")
    content = archive.extractfile(member)
    assert content is not None
    sha256, size_bytes = _digest(content)
    if size_bytes != member.size:  # a negative size would lead tarfile back to where it was, for ever
        raise _damaged(path, f"member '{member.name}' has {size_bytes} bytes instead of {member.size}")
    return ReleaseFile(path=name, mode=f"{member.mode:04o}", sha256=sha256, size_bytes=size_bytes)


def _require_inside(files: Mapping[str, ReleaseFile], top: str, path: Path) -> None:
    """No member lies behind a link or a file, and every link leads to a place below the top folder."""
    for name, entry in files.items():
        parts = name.split("/")
        for depth in range(1, len(parts)):
            if (parent := "/".join(parts[:depth])) in files:
                raise _refused(path, f"{top}/{name}", f"lies behind '{parent}', which is a {_kind(files[parent])}")
        if entry.link and not _leads_inside(name, files):
            why = f"links to '{entry.link}', which would leave the folder it is unpacked into"
            raise _refused(path, f"{top}/{name}", why)


def _leads_inside(name: str, files: Mapping[str, ReleaseFile]) -> bool:
    """Walks a link as the kernel would, through the archive's other links: after a link, ".." is not what it seems."""
    done: list[str] = []
    todo, hops = name.split("/"), 0
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                return False
            done.pop()
            continue
        entry = files.get(posixpath.join(*done, part))
        if entry is None or not entry.link:
            done.append(part)
            continue
        hops += 1
        if hops > _MAX_HOPS or entry.link.startswith("/"):
            return False
        todo = entry.link.split("/") + todo
    return True


def _digest(file: IO[bytes]) -> tuple[str, int]:
    sha, size_bytes = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK_BYTES):
        sha.update(chunk)
        size_bytes += len(chunk)
    return sha.hexdigest(), size_bytes


def _total(files: Mapping[str, ReleaseFile]) -> int:
    return sum(entry.size_bytes for entry in files.values())


def _kind(entry: ReleaseFile) -> str:
    return "link" if entry.link else "file"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3]) + (", …" if len(names) > 3 else "") if names else "nothing"


def _refused(path: Path, member: str, why: str) -> VerificationError:
    shown = member if member.isprintable() else ascii(member)[1:-1]
    return VerificationError(f"{path.name}: member '{shown}' {why}")


def _damaged(path: Path, why: str) -> VerificationError:
    return VerificationError(f"{path.name}: damaged archive ({why})", "build the target and release again.")
