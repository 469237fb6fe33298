"""Streams as they come out of gzip, bzip2, xz and zstd, never more of them than the archive can honestly hold."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from edgebuild.errors import VerificationError

Packer = Literal["none", "gzip", "bzip2", "xz", "zstd"]

_MAGIC: tuple[tuple[bytes, Packer], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x5d\0\0", "xz"),  # .lzma, as Debian packages of before 2012 have it
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
# Software packs 2:1 to 20:1. What packs better than 200:1 and is large is made to fill disks: deflate reaches 1032:1,
# xz 7000:1. Small archives may hold anything up to the floor. Tables of zeros in a debug build came to 60:1.
_MAX_RATIO = 200
_FLOOR_BYTES = 256 << 20
_CEILING_BYTES = 64 << 30
# An empty member costs an archive a few packed bytes, and a box an inode.
_FLOOR_MEMBERS = 5_000
_PACKED_BYTES_PER_MEMBER = 64
# What a decoder may need for itself: xz -9 takes 65 MiB, zstd's own programs refuse windows beyond 128 MiB.
_MAX_DECODER_BYTES = 256 << 20
_MAX_WINDOW_BYTES = 128 << 20
_CHUNK_BYTES = 1 << 18
_CACHED = re.compile(r"^[0-9a-f]{64}-")


def title_of(archive: Path) -> str:
    """As its owner calls it: in the cache its sha256 stands before its name (fetch.cached_path)."""
    return _CACHED.sub("", archive.name)


class Readable(Protocol):
    """What sequential readers need of a stream."""

    def read(self, size: int, /) -> bytes: ...


@dataclass
class Bounds:
    """How much may still come out of one archive, however deep it is packed. archive: its name, for messages."""

    archive: str
    max_bytes: int
    max_members: int
    _bytes: int = 0
    _members: int = 0

    @staticmethod
    def of(archive: str, packed_bytes: int) -> Bounds:
        return Bounds(
            archive,
            min(max(packed_bytes * _MAX_RATIO, _FLOOR_BYTES), _CEILING_BYTES),
            _FLOOR_MEMBERS + packed_bytes // _PACKED_BYTES_PER_MEMBER,
        )

    @staticmethod
    def of_file(path: Path) -> Bounds:
        return Bounds.of(title_of(path), path.stat().st_size)

    def take(self, size_bytes: int) -> None:
        """Raises VerificationError."""
        self._bytes += size_bytes
        if self._bytes > self.max_bytes:
            msg = f"{self.archive}: unpacks to more than {self.max_bytes >> 20} MiB, as archives made to fill disks do"
            raise VerificationError(msg, "if you trust it, unpack it yourself and name the folder.")

    def count_member(self) -> None:
        """Raises VerificationError."""
        self._members += 1
        if self._members > self.max_members:
            msg = f"{self.archive}: more than {self.max_members} members, as archives made to fill disks have"
            raise VerificationError(msg, "if you trust it, unpack it yourself and name the folder.")


class Unpacked:
    """The bytes inside a packed file, one after the other. Raises ValueError for damage, VerificationError for floods.

    packer: by the file's first bytes. bounds: what it counts on.
    """

    def __init__(self, file: Readable, bounds: Bounds) -> None:
        head = file.read(6)
        self.packer = packer_of(head)
        self.bounds = bounds
        self._source = _decoder(self.packer, _Rewound(head, file))

    def read(self, size: int, /) -> bytes:
        try:
            content = self._source.read(size)
        except (lzma.LZMAError, zlib.error, EOFError) as err:
            raise ValueError(str(err) or type(err).__name__) from err
        except OSError as err:  # bz2 and gzip raise it without a number; the disk's own errors have one
            if err.errno is not None:
                raise
            raise ValueError(str(err)) from err
        self.bounds.take(len(content))
        return content


def packer_of(head: bytes) -> Packer:
    return next((packer for magic, packer in _MAGIC if head.startswith(magic)), "none")


def _decoder(packer: Packer, file: _Rewound) -> Readable:
    match packer:
        case "gzip":
            return gzip.GzipFile(fileobj=io.BufferedReader(file, _CHUNK_BYTES))
        case "bzip2":
            return bz2.BZ2File(io.BufferedReader(file, _CHUNK_BYTES))
        case "xz":
            return _Xz(file)
        case "zstd":
            return _Zstd(file)
        case "none":
            return io.BufferedReader(file, _CHUNK_BYTES)


class _Rewound(io.RawIOBase):
    """A stream with the bytes in front that were read to recognise it, so that nothing has to be seekable."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._head[: len(buffer)]
        if piece:
            self._head = self._head[len(piece) :]
        else:
            piece = self._rest.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Xz:
    """lzma.LZMAFile without its readiness to take whatever memory a file's header asks for."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._decoder = self._fresh()
        self._begun = False

    @staticmethod
    def _fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_MAX_DECODER_BYTES)

    def read(self, size: int, /) -> bytes:
        while True:
            if self._decoder.eof:
                rest = (self._decoder.unused_data or self._chunk()).lstrip(b"\0")  # streams are padded with zeros
                if not rest.startswith(b"\xfd7zXZ\0"):
                    return b""
                self._decoder, packed = self._fresh(), rest
            else:
                packed = self._chunk() if self._decoder.needs_input else b""
                if not packed and self._decoder.needs_input:
                    raise EOFError("the packed stream ends in its midst")
            if content := self._decoder.decompress(packed, size):
                return content

    def _chunk(self) -> bytes:
        return self._file.read(_CHUNK_BYTES) or b""


class _Zstd:
    def __init__(self, file: io.RawIOBase) -> None:
        import zstandard  # late: few archives need it

        self._error = zstandard.ZstdError
        decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        packed = io.BufferedReader(file, _CHUNK_BYTES)
        self._stream = decoder.stream_reader(packed, read_across_frames=True, closefd=False)

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except self._error as err:
            raise ValueError(str(err)) from err
