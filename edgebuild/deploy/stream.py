"""One uncompressed tar made while it is sent: metadata first, then the archive as it lies in the release."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edgebuild.errors import NotAvailable, VerificationError

ARCHIVE = "archive"
_READ_BYTES = 256 << 10
_BLOCK_BYTES = tarfile.BLOCKSIZE


def stream_bytes(members: Mapping[str, bytes], archive_bytes: int) -> int:
    """How many bytes tar_stream() gives."""
    sizes = [*map(len, members.values()), archive_bytes]
    return sum(_BLOCK_BYTES + size + _padding(size) for size in sizes) + 2 * _BLOCK_BYTES


def tar_stream(
    members: Mapping[str, bytes], archive: Path, archive_bytes: int, *, sent: Callable[[int], None]
) -> Iterator[bytes]:
    """sent: told the bytes so far. Raises NotAvailable, VerificationError where the archive is not as it was."""
    done = 0
    for piece in _pieces(members, archive, archive_bytes):
        yield piece
        done += len(piece)
        sent(done)


def _pieces(members: Mapping[str, bytes], archive: Path, archive_bytes: int) -> Iterator[bytes]:
    for name, content in members.items():
        yield _header(name, len(content)) + content + bytes(_padding(len(content)))
    yield _header(ARCHIVE, archive_bytes)
    yield from _file(archive, archive_bytes)
    yield bytes(_padding(archive_bytes) + 2 * _BLOCK_BYTES)


def _file(path: Path, size_bytes: int) -> Iterator[bytes]:
    """The digest is the box's to check; here only the header's promise has to hold."""
    left = size_bytes
    try:
        with path.open("rb") as file:
            while left and (piece := file.read(min(_READ_BYTES, left))):
                left -= len(piece)
                yield piece
    except OSError as err:
        msg = f"{path}: cannot be read ({err.strerror})"
        raise NotAvailable(msg) from err
    if left:
        msg = f"{path}: became shorter while it was sent"
        raise VerificationError(msg)


def _header(name: str, size_bytes: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)  # beyond 8 GiB its sizes are binary, which busybox reads as well


def _padding(size_bytes: int) -> int:
    return -size_bytes % _BLOCK_BYTES
