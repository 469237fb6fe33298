"""Edits of ELF files in place, by the layout of elf.h alone (64-bit, little-endian)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PT_NULL, PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_STACK = 0, 1, 2, 3, 4, 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
DT_NULL, DT_RELA, DT_RELASZ, DT_RELAENT = 0, 7, 8, 9
DT_RELRSZ, DT_RELR, DT_RELRENT, DT_RELACOUNT = 35, 36, 37, 0x6FFFFFF9
_R_RELATIVE = {183: 1027, 62: 8}  # e_machine -> R_..._RELATIVE
_PHDR = struct.Struct("<IIQQQQQQ")
_DYN = struct.Struct("<qQ")


@dataclass
class Segment:
    """A program header. at: its file offset."""

    at: int
    kind: int
    flags: int
    offset: int
    address: int
    size_bytes: int
    alignment: int


class ElfEdit:
    """`with`-less on purpose: read, change, `save()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = bytearray(path.read_bytes())
        assert self.data[:6] == b"\x7fELF\x02\x01", path

    def save(self) -> Path:
        self.path.write_bytes(self.data)
        return self.path

    def put(self, offset: int, layout: str, *values: int) -> None:
        struct.pack_into("<" + layout, self.data, offset, *values)

    def get(self, offset: int, layout: str) -> int:
        value: int = struct.unpack_from("<" + layout, self.data, offset)[0]
        return value

    def segments(self) -> Iterator[Segment]:
        start, count = self.get(32, "Q"), self.get(56, "H")
        for at in range(start, start + count * _PHDR.size, _PHDR.size):
            kind, flags, offset, address, _, size, _, alignment = _PHDR.unpack_from(self.data, at)
            yield Segment(at, kind, flags, offset, address, size, alignment)

    def segment(self, kind: int) -> Segment:
        return next(each for each in self.segments() if each.kind == kind)

    def offset_of(self, address: int) -> int:
        """File offset of what is mapped at an address."""
        for each in self.segments():
            if each.kind == PT_LOAD and each.address <= address < each.address + each.size_bytes:
                return address - each.address + each.offset
        raise AssertionError(hex(address))

    def dynamic(self) -> Iterator[tuple[int, int, int]]:
        """(file offset, tag, value) up to the end mark."""
        table = self.segment(PT_DYNAMIC)
        for at in range(table.offset, table.offset + table.size_bytes, _DYN.size):
            tag, value = _DYN.unpack_from(self.data, at)
            if tag == DT_NULL:
                return
            yield at, tag, value

    def set_dynamic(self, tag: int, new_tag: int, value: int) -> None:
        at = next(at for at, found, _ in self.dynamic() if found == tag)
        _DYN.pack_into(self.data, at, new_tag, value)

    def make_relative_relocations_compact(self) -> None:
        """DT_RELA of nothing but relative relocations, ordered by place, becomes DT_RELR, as lld's
        --pack-dyn-relocs=relr writes it: without the version need that would tell an old loader.
        """
        tags = {tag: value for _, tag, value in self.dynamic()}
        table, size = self.offset_of(tags[DT_RELA]), tags[DT_RELASZ]
        entries = [struct.unpack_from("<QQq", self.data, table + at) for at in range(0, size, 24)]
        relative = _R_RELATIVE[self.get(18, "H")]
        assert entries and all(info == relative for _, info, _ in entries), entries
        self.data[table : table + size] = bytes(size)
        for index, (place, _, addend) in enumerate(sorted(entries)):
            self.put(self.offset_of(place), "q", addend)
            self.put(table + 8 * index, "Q", place)  # an even word is an address
        self.set_dynamic(DT_RELA, DT_RELR, tags[DT_RELA])
        self.set_dynamic(DT_RELASZ, DT_RELRSZ, 8 * len(entries))
        self.set_dynamic(DT_RELAENT, DT_RELRENT, 8)
        if DT_RELACOUNT in tags:
            self.set_dynamic(DT_RELACOUNT, DT_RELRENT, 8)
