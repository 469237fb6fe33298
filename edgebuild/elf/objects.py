"""Symbols of object files, and of members of static libraries: what a linker sees before it has linked.

Formats: System V ABI, chapter 4 (symbol table); ar(5) with GNU's long names ("/12"), thin archives and BSD's ("#1/12").
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebuild.elf.format import Damaged, ElfFile, Strings, map_file

_MAGIC, _THIN = b"!<arch>\n", b"!<thin>\n"
_HEADER_BYTES = 60
_SHT_SYMTAB = 2
_STB_LOCAL = 0
_SHN_UNDEF = 0
_MAX_MEMBERS = 1 << 20


@dataclass(frozen=True)
class ObjectSymbols:
    """Names without versions. Local symbols are defined too: a function that nobody else calls is still somebody's."""

    defined: frozenset[str] = frozenset()
    undefined: frozenset[str] = frozenset()


def read_object(path: Path) -> ObjectSymbols:
    """Of one object file. Empty for what is no ELF file (LTO bitcode, say) or is damaged. Raises OSError."""
    return _symbols(map_file(path))


def read_members(path: Path, wanted: frozenset[str]) -> dict[str, ObjectSymbols]:
    """Of the named members of a static library; two of one name count as one. Raises OSError."""
    found: dict[str, ObjectSymbols] = {}
    for name, content in _members(path):
        if name in wanted:
            symbols = _symbols(content)
            known = found.get(name, ObjectSymbols())
            found[name] = ObjectSymbols(known.defined | symbols.defined, known.undefined | symbols.undefined)
    return found


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content, as far as the archive makes sense."""
    data = map_file(path)
    if data[:8] not in (_MAGIC, _THIN):
        return
    is_thin = data[:8] == _THIN
    place, long_names = len(_MAGIC), b""
    for _ in range(_MAX_MEMBERS):
        header = data[place : place + _HEADER_BYTES]
        if len(header) < _HEADER_BYTES or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
            return
        size_bytes, start = int(header[48:58]), place + _HEADER_BYTES
        name = header[:16].rstrip()
        is_index = name in (b"/", b"//", b"/SYM64/")
        stored = 0 if is_thin and not is_index else size_bytes
        place = start + stored + stored % 2
        if name == b"//":
            long_names = bytes(data[start : start + size_bytes])
        if is_index:
            continue
        text, skipped = _name(name, long_names, data, start)
        if is_thin:
            yield text, _thin_member(path.parent / text)
        else:
            yield text, bytes(data[start + skipped : start + size_bytes])


def _name(name: bytes, long_names: bytes, data: mmap.mmap | bytes, start: int) -> tuple[str, int]:
    """The member's name, and how many bytes of it stand before the content."""
    if name.startswith(b"#1/") and name[3:].isdigit():
        length = int(name[3:])
        return bytes(data[start : start + length]).rstrip(b"\0").decode("utf-8", "replace"), length
    if name.startswith(b"/") and name[1:].isdigit():
        return long_names[int(name[1:]) :].partition(b"/\n")[0].decode("utf-8", "replace"), 0
    return name.removesuffix(b"/").decode("utf-8", "replace"), 0


def _thin_member(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _symbols(data: mmap.mmap | bytes) -> ObjectSymbols:
    try:
        return _read_symbols(ElfFile.open(data))
    except Damaged:
        return ObjectSymbols()


def _read_symbols(elf: ElfFile) -> ObjectSymbols:
    defined: set[str] = set()
    undefined: set[str] = set()
    for section in elf.sections:
        if section.kind != _SHT_SYMTAB or section.link >= len(elf.sections):
            continue
        table = elf.sections[section.link]
        names = Strings(elf.chunk(table.offset, table.size_bytes))
        layout, step = (elf.order + "IBBHQQ", 24) if elf.bits == 64 else (elf.order + "IIIBBH", 16)
        body = elf.chunk(section.offset, section.size_bytes - section.size_bytes % step)
        for entry in struct.iter_unpack(layout, body):
            name_at, info, index = (entry[0], entry[1], entry[3]) if elf.bits == 64 else (entry[0], entry[3], entry[5])
            if not name_at:
                continue
            if index != _SHN_UNDEF:
                defined.add(names[name_at])
            elif info >> 4 != _STB_LOCAL:
                undefined.add(names[name_at])
    return ObjectSymbols(frozenset(defined), frozenset(undefined))
