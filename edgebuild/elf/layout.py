"""Where the code of an ELF file is: executable bytes, functions, symbols, relocations. Arrays, for scans of all of it.

Segments decide what is executable, as they do for the loader; sections, where there are any, only help to tell data in
them apart.
Addresses are those of the program headers; in an object file, which has none yet, they are offsets in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgebuild.elf.dynamic import Dynamic
from edgebuild.elf.format import PF_X, PT_DYNAMIC, SHT_DYNSYM, ElfFile
from edgebuild.elf.unwind import unwound_functions

Addresses = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Ranges = npt.NDArray[np.int64]  # (n, 2): start and end, by start, not touching each other once merged

_DT_PLTRELSZ, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_INIT, _DT_FINI, _DT_JMPREL = 2, 5, 6, 7, 8, 12, 13, 23
ET_REL = 1
_SHT_SYMTAB, _SHT_NOBITS = 2, 8
_SHF_ALLOC, _SHF_EXECINSTR = 0x2, 0x4
_STT_NOTYPE, _STT_FUNC, STT_GNU_IFUNC = 0, 2, 10
_SHN_UNDEF, _SHN_LORESERVE = 0, 0xFF00
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_RELOCATION = np.dtype([("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])
_MAX_ADDRESS = 1 << 56  # so that sums fit into an int64


@dataclass(frozen=True)
class Block:
    """Executable bytes that lie together. address: of the first one."""

    address: int
    offset: int
    size_bytes: int

    @property
    def end(self) -> int:
        return self.address + self.size_bytes


@dataclass(frozen=True)
class SymbolTable:
    """entries: records of _SYMBOL with values turned into addresses. strings: their names."""

    entries: npt.NDArray[np.void]
    strings: bytes

    def name(self, index: int) -> str:
        start = int(self.entries["name"][index])
        return self.strings[start : max(start, self.strings.find(b"\0", start))].decode("utf-8", "replace")

    def indices_of(self, *names: str) -> list[int]:
        """Symbols of these names; by the places of the names, since tables of a million symbols are looked through."""
        found: list[int] = []
        for name in names:
            text, start = name.encode() + b"\0", -1
            while (start := self.strings.find(text, start + 1)) >= 0:
                found += np.flatnonzero(self.entries["name"] == start).tolist()
        return found


@dataclass
class Layout:
    """All that a scan of the instructions needs to know of one file, each worked out when it is first asked for."""

    elf: ElfFile
    dynamic: Dynamic

    @staticmethod
    def of(elf: ElfFile) -> Layout:
        """elf: 64 bits, little-endian. Raises Damaged."""
        return Layout(elf, Dynamic.read(elf, next(elf.of_kind(PT_DYNAMIC), None)))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """From the executable segments, overlaps left out."""
        if self.elf.kind == ET_REL:
            return tuple(Block(offset, offset, size) for offset, size, _ in self._code_sections)
        blocks: list[Block] = []
        for segment in sorted(self.elf.loads, key=lambda each: each.address):
            start, size = segment.address, segment.file_bytes
            if not segment.flags & PF_X or not size or start + size > _MAX_ADDRESS:
                continue
            skipped = max(0, blocks[-1].end - start) if blocks else 0
            if skipped < size:
                blocks.append(Block(start + skipped, segment.offset + skipped, size - skipped))
        return tuple(blocks)

    @cached_property
    def code_sections(self) -> Ranges:
        """Empty where section headers were stripped."""
        return merged(np.array([(address, address + size) for _, size, address in self._code_sections], dtype=np.int64))

    @cached_property
    def _code_sections(self) -> list[tuple[int, int, int]]:
        """Offset, size, address of sections with instructions."""
        (place,), (entry,) = self.elf.unpack("Q", 40), self.elf.unpack("H", 58)
        found = []
        for index in range(len(self.elf.sections)):
            _, kind, flags, address, offset, size = self.elf.unpack("IIQQQQ", place + index * entry)
            is_code = kind != _SHT_NOBITS and flags & _SHF_ALLOC and flags & _SHF_EXECINSTR
            if is_code and offset + size <= len(self.elf.data) and address + size <= _MAX_ADDRESS:
                found.append((offset, size, offset if self.elf.kind == ET_REL else address))
        return found

    @cached_property
    def symtab(self) -> SymbolTable | None:
        """The linker's whole table, None once stripped."""
        for section in self.elf.sections:
            if section.kind == _SHT_SYMTAB and section.link < len(self.elf.sections):
                strings = self.elf.sections[section.link]
                table = self.elf.chunk(section.offset, section.size_bytes)
                return self._symbols(table, self.elf.chunk(strings.offset, strings.size_bytes))
        return None

    @cached_property
    def dynsym(self) -> SymbolTable | None:
        """The loader's table. Its size is the section's, else up to the strings, which linkers put right behind."""
        values = self.dynamic.values
        if _DT_SYMTAB not in values or _DT_STRTAB not in values:
            return None
        start, strings_at = (self.elf.offset_of(values[tag][0]) for tag in (_DT_SYMTAB, _DT_STRTAB))
        sizes = [each.size_bytes for each in self.elf.sections if each.kind == SHT_DYNSYM and each.offset == start]
        size = sizes[0] if sizes else max(0, strings_at - start)
        strings_size = values.get(10, [len(self.elf.data) - strings_at])[0]
        return self._symbols(self.elf.chunk(start, size), self.elf.chunk(strings_at, strings_size))

    def _symbols(self, table: bytes, strings: bytes) -> SymbolTable:
        entries = np.frombuffer(table, dtype=_SYMBOL, count=len(table) // _SYMBOL.itemsize)
        if self.elf.kind == ET_REL:
            entries = entries.copy()
            offsets = np.array([section.offset for section in self.elf.sections], dtype=np.uint64)
            inside = entries["section"] < min(len(offsets), _SHN_LORESERVE)
            entries["value"][inside] += offsets[entries["section"][inside]]
        return SymbolTable(entries, strings)

    @property
    def tables(self) -> list[SymbolTable]:
        return [table for table in (self.symtab, self.dynsym) if table is not None]

    @cached_property
    def functions(self) -> Ranges:
        """Merged: what unwind tables and symbols say to be functions. Empty where there are neither."""
        found = [unwound_functions(self.elf)]
        for table in self.tables:
            entries = table.entries[self._is_code(table) & (table.entries["size"] > 0)]
            starts = entries["value"].astype(np.int64)
            found.append(np.column_stack((starts, starts + entries["size"].astype(np.int64))))
        return merged(np.concatenate(found))

    @cached_property
    def labels(self) -> Addresses:
        """Symbols in code that tell no size, as hand-written assembly has them; entry and initialisers."""
        values = self.dynamic.values
        found = [np.array([entry_of(self.elf), *values.get(_DT_INIT, ()), *values.get(_DT_FINI, ())], dtype=np.uint64)]
        for table in self.tables:
            entries = table.entries
            unsized = (entries["size"] == 0) & self._is_code(table, _STT_NOTYPE, _STT_FUNC, STT_GNU_IFUNC)
            found.append(entries["value"][unsized & ~mapping_symbols(table, b"d")].astype(np.uint64))
        addresses = np.unique(np.concatenate(found))
        return addresses[addresses < _MAX_ADDRESS].astype(np.int64)

    def _is_code(self, table: SymbolTable, *kinds: int) -> Mask:
        entries = table.entries
        sane = (entries["section"] != _SHN_UNDEF) & (entries["section"] < _SHN_LORESERVE)
        sane &= (entries["value"] < _MAX_ADDRESS) & (entries["size"] < _MAX_ADDRESS)
        is_code: Mask = sane & np.isin(entries["info"] & 15, kinds or (_STT_FUNC, STT_GNU_IFUNC))
        return is_code

    @cached_property
    def relocations(self) -> npt.NDArray[np.void]:
        """Those that the loader performs, lazily or not; records of _RELOCATION."""
        values = self.dynamic.values
        found = [np.empty(0, dtype=_RELOCATION)]
        for start, size in ((_DT_RELA, _DT_RELASZ), (_DT_JMPREL, _DT_PLTRELSZ)):
            if start in values and size in values:
                body = self.elf.chunk(self.elf.offset_of(values[start][0]), values[size][0])
                found.append(np.frombuffer(body, dtype=_RELOCATION, count=len(body) // _RELOCATION.itemsize))
        return np.concatenate(found)

    def has_resolvers(self, irelative: int) -> bool:
        """Whether functions of it are chosen when it is loaded. irelative: number of that relocation.

        A static program has no dynamic section to find its relocations by; they are looked for as such.
        """
        if (self.relocations["type"] == irelative).any():
            return True
        if any((table.entries["info"] & 15 == STT_GNU_IFUNC).any() for table in self.tables):
            return True
        if self.dynamic.values:
            return False
        for segment in self.elf.loads:
            words = np.frombuffer(self.elf.data, "<u8", segment.file_bytes // 8, segment.offset)
            place = np.flatnonzero(words[:-1] == irelative)
            targets = words[place + 1]
            if any(((targets >= block.address) & (targets < block.end)).any() for block in self.blocks):
                return True
        return False

    def place_of(self, address: int) -> str:
        """The function with an offset ("fmod+0x10"), else the address."""
        for table in self.tables:
            entries = table.entries
            starts, sizes = entries["value"], entries["size"]
            near = self._is_code(table, _STT_NOTYPE, _STT_FUNC, STT_GNU_IFUNC) & (starts <= address)
            near &= (address < starts + sizes) | ((sizes == 0) & (address - starts < 4096)) if len(near) else near
            candidates = np.flatnonzero(near & ~mapping_symbols(table, b"xd"))
            if len(candidates):
                # The nearest; one with a size rather than a label inside it.
                best = max(candidates, key=lambda index: (entries["size"][index] > 0, entries["value"][index]))
                offset = address - int(entries["value"][best])
                return table.name(int(best)) + (f"+{offset:#x}" if offset else "")
        return f"{address:#x}"


def entry_of(elf: ElfFile) -> int:
    return elf.unpack("Q", 24)[0]


def mapping_symbols(table: SymbolTable, kinds: bytes) -> Mask:
    """Those that say where code ($x) and data ($d) begin. Source: ELF for the Arm 64-bit Architecture, 5.5."""
    if not table.strings:
        return np.zeros(len(table.entries), dtype=np.bool_)
    text = np.frombuffer(table.strings + b"\0\0\0", dtype=np.uint8)
    start = np.minimum(table.entries["name"], len(table.strings) - 1)
    found: Mask = (text[start] == ord("$")) & np.isin(text[start + 1], list(kinds))
    found &= np.isin(text[start + 2], (0, ord(".")))
    return found


def merged(ranges: Ranges) -> Ranges:
    """Sorted, empty ones left out, those that overlap or touch made one."""
    ranges = ranges.reshape(-1, 2)
    ranges = ranges[ranges[:, 0] < ranges[:, 1]]
    if not len(ranges):
        return ranges
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    ends = np.maximum.accumulate(ranges[:, 1])
    first = np.concatenate(([True], ranges[1:, 0] > ends[:-1]))
    last = np.concatenate((first[1:], [True]))
    return np.column_stack((ranges[first, 0], ends[last]))


def inside(addresses: Addresses, ranges: Ranges) -> Mask:
    """Which addresses lie in one of the merged ranges."""
    if not len(ranges):
        return np.zeros(len(addresses), dtype=np.bool_)
    index = np.searchsorted(ranges[:, 0], addresses, side="right") - 1
    found: Mask = (index >= 0) & (addresses < ranges[np.maximum(index, 0), 1])
    return found


def covered(address: int, count: int, step: int, ranges: Ranges) -> Mask:
    """For `count` places from an address on, `step` apart: which lie in one of the merged ranges."""
    marks = np.zeros(count + 1, dtype=np.int8)
    for ends, sign in ((ranges[:, 0], 1), (ranges[:, 1], -1)):
        np.add.at(marks, np.clip(-((address - ends) // step), 0, count), sign)
    return np.cumsum(marks[:-1], dtype=np.int8).view(np.bool_)
