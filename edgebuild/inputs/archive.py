"""Static archives: which machines their members are for. Bounded, because archives may be hostile.

Format: ar(5) in the System V/GNU writing with its thin variant, and BSD's long names.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgebuild.elf.format import MAGIC as ELF_MAGIC
from edgebuild.elf.format import machine_name

MAGICS = (b"!<arch>\n", b"!<thin>\n")
_HEADER_BYTES, _END = 60, b"`\n"
_MAX_MEMBERS = 100_000  # glibc's libc.a has some 2,000
_MAX_NAMES_BYTES = 16 << 20
_MAX_NAME_BYTES = 4096
# Members of these are data to the host's linker: programs for an accelerator or for the kernel.
_NO_HOST = ("EM_AMDGPU", "EM_BPF")


class BrokenArchive(Exception):
    """Says why."""


def read_machines(path: Path) -> tuple[str, ...] | None:
    """Machines of its ELF members, sorted, e.g. ("EM_AARCH64",). None for a Debian package, which is an archive, too.

    Raises BrokenArchive, OSError.
    """
    with path.open("rb") as file:
        thin = file.read(8) == MAGICS[1]
        machines: set[str] = set()
        for name, head in _members(file, path if thin else None):
            if name == "debian-binary":
                return None
            if machine := _machine(head):
                machines.add(machine)
    return tuple(sorted(machines))


def _members(file: BinaryIO, thin: Path | None) -> Iterator[tuple[str, bytes]]:
    """(name, first bytes). thin: path of an archive whose members lie beside it."""
    size_bytes = file.seek(0, io.SEEK_END)
    place, names = 8, b""
    for _ in range(_MAX_MEMBERS):
        file.seek(place)
        header = file.read(_HEADER_BYTES)
        if not header.strip():
            return
        if len(header) < _HEADER_BYTES or header[58:60] != _END:
            raise BrokenArchive(f"damaged archive (no member's header at {place:#x})")
        length, label = _size(header, place), header[:16].decode("ascii", "replace").rstrip()
        inside = thin is None or label in ("/", "//", "/SYM64/")
        place += _HEADER_BYTES
        if inside and place + length > size_bytes:
            raise BrokenArchive(f"truncated archive: {size_bytes} bytes, its members need {place + length}")
        if label == "//":
            names = file.read(min(length, _MAX_NAMES_BYTES))
        elif label not in ("/", "/SYM64/"):
            name = _name(label, names)
            if thin is not None and not inside:
                yield name, _beside(thin, name)
            else:
                yield _bsd(label, file, length) if label.startswith("#1/") else (name, file.read(20))
        place += (length + length % 2) if inside else 0


def _size(header: bytes, place: int) -> int:
    text = header[48:58].strip()
    if not text.isdigit():
        raise BrokenArchive(f"damaged archive (no size at {place + 48:#x})")
    return int(text)


def _name(label: str, names: bytes) -> str:
    """ "/123" points into the table of long names, whose entries end with "/" and a new line."""
    if label.startswith("/") and label[1:].isdigit():
        start = int(label[1:])
        return names[start : start + _MAX_NAME_BYTES].partition(b"\n")[0].decode("utf-8", "replace").removesuffix("/")
    return label.removesuffix("/")


def _bsd(label: str, file: BinaryIO, length: int) -> tuple[str, bytes]:
    """ "#1/20": the name is the first 20 bytes of the content."""
    text = label.removeprefix("#1/")
    if not text.isdigit() or int(text) > length:
        raise BrokenArchive(f"damaged archive (a member's name is '{label}')")
    if int(text) > _MAX_NAME_BYTES:
        raise BrokenArchive(f"damaged archive (a member's name of {text} bytes)")
    name = file.read(int(text)).rstrip(b"\0").decode("utf-8", "replace")
    return name, file.read(20)


def _beside(archive: Path, name: str) -> bytes:
    """First bytes of a thin archive's member. Only below the archive's own folder: nothing else ships with it."""
    member = archive.parent / name
    outside = name.startswith("/") or ".." in Path(name).parts or member.is_symlink()
    if not name or outside or not member.is_file():
        raise BrokenArchive(f"a thin archive whose member {name or '(unnamed)'} does not lie beside it")
    with member.open("rb") as file:
        return file.read(20)


def _machine(head: bytes) -> str:
    """ "" for anything but an ELF file for a processor that runs Linux."""
    if len(head) < 20 or head[:4] != ELF_MAGIC or head[5] not in (1, 2):
        return ""
    number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    name = machine_name(number)
    return name if name.startswith("EM_") and name not in _NO_HOST else ""
