"""The members of a tar archive, read once from front to back, every number in a header doubted.

Own reader, because the standard library's takes a damaged header in the midst for the archive's end, so that an audit
would pass what it has not seen, loops for ever on a negative size (CVE-2025-8194, in every Python of before July 2025),
and reads extended headers of any size into memory. Formats: POSIX.1-2017, pax, "ustar Interchange Format" and
"pax Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edgebuild.packed import Readable

Kind = Literal["file", "folder", "link", "hard link", "other"]

_BLOCK_BYTES = 512
_CHECKSUM = slice(148, 156)
_MAX_EXTENDED_BYTES = 1 << 20
_MAX_SIZE_BYTES = 1 << 62
_CHUNK_BYTES = 1 << 18
_KINDS: dict[bytes, Kind] = {
    b"1": "hard link",
    b"2": "link",
    b"3": "other",  # devices and pipes
    b"4": "other",
    b"5": "folder",
    b"6": "other",
    b"V": "other",  # name of a tape
}
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_TARGET = (b"x", b"X"), b"g", b"L", b"K"
_UNREADABLE = {b"S": "a sparse file", b"M": "part of a file on several tapes", b"D": "a list of an incremental backup"}


@dataclass(frozen=True)
class Member:
    """target: of a link or hard link. mode: as the archive says it, set-id bits and all."""

    name: str
    kind: Kind
    mode: int
    size_bytes: int
    target: str = ""


class Content:
    """The bytes of one member. What nobody reads is skipped."""

    def __init__(self, stream: Readable, size_bytes: int) -> None:
        self._stream, self._left = stream, size_bytes
        self._padding = -size_bytes % _BLOCK_BYTES

    def read(self, size: int = -1, /) -> bytes:
        wanted = min(size if size >= 0 else _CHUNK_BYTES, self._left, _CHUNK_BYTES)
        if not wanted:
            return b""
        piece = self._stream.read(wanted)
        if not piece:
            raise EOFError("the archive ends in the midst of a member")
        self._left -= len(piece)
        return piece

    def skip(self) -> None:
        while self.read(_CHUNK_BYTES):
            pass
        self._left, self._padding = self._padding, 0
        while self.read(_CHUNK_BYTES):
            pass


def read_members(stream: Readable) -> Iterator[tuple[Member, Content]]:
    """Raises ValueError or EOFError where the archive is damaged; whatever came before has been given by then."""
    common: dict[str, str] = {}  # of global extended headers, for all members that follow
    own: dict[str, str] = {}  # for the next one
    while (header := _header(stream)) is not None:
        kind = header[156:157]
        size_bytes = _number(header[124:136], "size")
        if kind in _EXTENDED or kind == _GLOBAL:
            records = _records(_extended(stream, size_bytes))
            (common if kind == _GLOBAL else own).update(records)
        elif kind in (_LONG_NAME, _LONG_TARGET):
            text = _text(_extended(stream, size_bytes))
            own["path" if kind == _LONG_NAME else "linkpath"] = text
        elif kind in _UNREADABLE:
            raise ValueError(f"'{_name(header)}' is {_UNREADABLE[kind]}, which nobody ships")
        else:
            member = _member(header, size_bytes, common | own)
            own = {}
            content = Content(stream, member.size_bytes)
            yield member, content
            content.skip()
    while stream.read(_CHUNK_BYTES):  # so that the packer's checksum behind it is checked, too
        pass


def _header(stream: Readable) -> bytes | None:
    """The next block; None at the end, which is a block of zeros or nothing more."""
    block = _exactly(stream, _BLOCK_BYTES, may_end=True)
    if not block.strip(b"\0"):
        return None
    stated = _number(block[_CHECKSUM], "checksum")
    plain = block[:148] + b" " * 8 + block[156:]
    if stated != sum(plain) and stated != sum(byte - 256 if byte > 127 else byte for byte in plain):
        raise ValueError("a member's header does not have its checksum")
    return block


def _member(header: bytes, size_bytes: int, more: dict[str, str]) -> Member:
    name = more.get("path") or _name(header)
    kind = _KINDS.get(header[156:157], "file")
    if kind == "file" and name.endswith("/"):  # as archives of before POSIX say it
        kind = "folder"
    if any(key.startswith("GNU.sparse.") for key in more):
        raise ValueError(f"'{name}' is a sparse file, which nobody ships")
    if "size" in more:
        size_bytes = _decimal(more["size"])
    target = (more.get("linkpath") or _text(header[157:257])) if kind in ("link", "hard link") else ""
    mode = _number(header[100:108], "mode") & 0o7777
    return Member(name, kind, mode, size_bytes if kind == "file" else 0, target)


def _name(header: bytes) -> str:
    name = _text(header[:100])
    is_posix = header[257:263] == b"ustar\0"  # GNU's own magic is another, and its archives keep times there
    prefix = _text(header[345:500]) if is_posix else ""
    return f"{prefix}/{name}" if prefix else name


def _number(field: bytes, what: str) -> int:
    """Octal digits, or GNU's binary form for what needs more of them."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) - (0x80 << (8 * (len(field) - 1)))
        if field[0] & 0x40:
            raise ValueError(f"a member's {what} is negative")
    else:
        digits = field.partition(b"\0")[0].strip(b" ")
        if digits.strip(b"01234567"):
            raise ValueError(f"a member's {what} is no number")
        value = int(digits or b"0", 8)
    if value > _MAX_SIZE_BYTES:
        raise ValueError(f"a member's {what} is beyond reason ({value})")
    return value


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _MAX_SIZE_BYTES):
        raise ValueError(f"a member's size is beyond reason ({text[:40]})")
    return int(text)


def _extended(stream: Readable, size_bytes: int) -> bytes:
    if size_bytes > _MAX_EXTENDED_BYTES:
        raise ValueError(f"an extended header of {size_bytes} bytes")
    padded = _exactly(stream, size_bytes + -size_bytes % _BLOCK_BYTES)
    return padded[:size_bytes]


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    """Records "LENGTH KEY=VALUE\\n", the length counting itself."""
    place, end = 0, len(content.rstrip(b"\0"))
    while place < end:
        digits, space, _ = content[place : place + 12].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = content[place + len(digits) + 1 : place + length]
        key, equals, value = record.partition(b"=")
        if not (len(digits) + 1 < length <= len(content) - place and equals and record.endswith(b"\n")):
            raise ValueError("an extended header makes no sense")
        yield _text(key), _text(value[:-1])
        place += length


def _exactly(stream: Readable, size_bytes: int, *, may_end: bool = False) -> bytes:
    """may_end: nothing at all is an answer, too."""
    pieces: list[bytes] = []
    left = size_bytes
    while left:
        piece = stream.read(min(left, _CHUNK_BYTES))
        if not piece:
            if may_end and left == size_bytes:
                return b""
            raise EOFError("the archive ends in the midst of a header")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _text(field: bytes) -> str:
    """File names are bytes; those that are no UTF-8 survive on their way to the disk."""
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")
