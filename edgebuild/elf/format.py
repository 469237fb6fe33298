"""The ELF file as bytes: headers, segments, sections, addresses. Every access is bounded, because files may be hostile.

Own reader, because the audit reads thousands of files: it does what the dynamic loader does (segments, not sections),
so that it sees what the loader sees, and is many times faster than general readers (tests/bench/audit_bench.py; the
facts are compared with those of pyelftools and LIEF in tests/e2e/test_reader_differential.py).
Format: System V ABI, chapters 4 and 5; elf(5).
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

MAGIC = b"\x7fELF"
# e_machine -> name in elf.h, for messages; any other number is shown as it is.
MACHINES = {
    2: "EM_SPARC", 3: "EM_386", 8: "EM_MIPS", 20: "EM_PPC", 21: "EM_PPC64", 22: "EM_S390", 40: "EM_ARM",
    43: "EM_SPARCV9", 50: "EM_IA_64", 62: "EM_X86_64", 183: "EM_AARCH64", 224: "EM_AMDGPU", 243: "EM_RISCV",
    247: "EM_BPF", 258: "EM_LOONGARCH",
}  # fmt: skip
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_TLS, PT_GNU_STACK = 1, 2, 3, 4, 7, 0x6474E551
PF_X, PF_W = 1, 2
SHT_DYNSYM = 11
_MAX_SECTIONS = 1 << 20
_MAX_NAME_BYTES = 1 << 16  # C++ symbols reach some thousand


class Damaged(Exception):
    """The bytes cannot be what they claim to be; says why."""


@dataclass(frozen=True)
class Segment:
    kind: int
    flags: int
    offset: int
    address: int
    file_bytes: int
    memory_bytes: int
    alignment: int


@dataclass(frozen=True)
class Section:
    name_offset: int
    kind: int
    address: int
    offset: int
    size_bytes: int
    link: int


@dataclass
class ElfFile:
    """Headers of one file. data: its bytes, mapped rather than read."""

    data: mmap.mmap | bytes
    bits: int = 64
    order: str = "<"
    os_abi: int = 0
    kind: int = 0
    machine: int = 0
    segments: tuple[Segment, ...] = ()
    _sections: tuple[int, int, int, int] = field(default=(0, 0, 0, 0))  # offset, entry size, count, index of names

    @staticmethod
    def open(data: mmap.mmap | bytes) -> ElfFile:
        """Raises Damaged for anything but an ELF file whose header and program headers make sense."""
        if data[:4] != MAGIC:
            raise Damaged("not an ELF file")
        if len(data) < 52:
            raise Damaged(f"truncated ELF file: {len(data)} bytes, shorter than a header")
        bits, order = {1: 32, 2: 64}.get(data[4], 0), {1: "<", 2: ">"}.get(data[5], "")
        if not bits or not order:
            raise Damaged(f"damaged ELF file (class {data[4]}, byte order {data[5]})")
        file = ElfFile(data, bits, order, data[7])
        header = file.unpack("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH", 16)
        file.kind, file.machine = header[0], header[1]
        phoff, shoff, phentsize, phnum, shentsize, shnum, shstrndx = header[4], header[5], *header[8:]
        if shoff and not shnum and bits == 64:  # extended numbering: the count is in the first section's size
            shnum = file._section_at(shoff).size_bytes
        file._sections = (shoff, shentsize, shnum if shoff else 0, shstrndx)
        file.segments = tuple(file._read_segments(phoff, phentsize, phnum))
        file._require_whole(shoff, shentsize, shnum)
        return file

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """struct.unpack of this byte order, no padding. Raises Damaged beyond the end."""
        layout = self.order + layout
        size = struct.calcsize(layout)
        if offset < 0 or offset + size > len(self.data):
            raise Damaged(f"damaged ELF file (a structure at {offset:#x} lies beyond its end)")
        return struct.unpack_from(layout, self.data, offset)

    def chunk(self, offset: int, size_bytes: int) -> bytes:
        if offset < 0 or size_bytes < 0 or offset + size_bytes > len(self.data):
            raise Damaged(f"damaged ELF file (bytes {offset:#x}+{size_bytes:#x} lie beyond its end)")
        return bytes(self.data[offset : offset + size_bytes])

    def offset_of(self, address: int) -> int:
        """Where in the file an address of the running program comes from. Raises Damaged."""
        for segment in self.loads:
            if segment.address <= address < segment.address + segment.file_bytes:
                return segment.offset + address - segment.address
        raise Damaged(f"damaged ELF file (address {address:#x} is in no segment)")

    def of_kind(self, kind: int) -> Iterator[Segment]:
        return (segment for segment in self.segments if segment.kind == kind)

    @cached_property
    def loads(self) -> tuple[Segment, ...]:
        return tuple(self.of_kind(PT_LOAD))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Empty where they were stripped. Raises Damaged."""
        offset, entry, count, _ = self._sections
        if count > _MAX_SECTIONS:
            raise Damaged(f"damaged ELF file ({count} sections)")
        return tuple(self._section_at(offset + index * entry) for index in range(count))

    def section(self, name: bytes) -> Section | None:
        """By its name; None where there is none."""
        names = self._section_names
        for section in self.sections:
            if names.startswith(name + b"\0", section.name_offset):
                return section
        return None

    @cached_property
    def _section_names(self) -> bytes:
        index = self._sections[3]
        if not 0 < index < len(self.sections):
            return b""
        section = self.sections[index]
        return self.chunk(section.offset, section.size_bytes) if section.kind != 8 else b""

    def _section_at(self, offset: int) -> Section:
        if self.bits == 64:
            name, kind, _, address, place, size, link = self.unpack("IIQQQQI", offset)
        else:
            name, kind, _, address, place, size, link = self.unpack("IIIIIII", offset)
        return Section(name, kind, address, place, size, link)

    def _read_segments(self, offset: int, entry: int, count: int) -> Iterator[Segment]:
        if count and entry != (56 if self.bits == 64 else 32):
            raise Damaged(f"damaged ELF file (program headers of {entry} bytes)")
        for index in range(count):
            place = offset + index * entry
            if self.bits == 64:
                kind, flags, start, address, _, file_bytes, memory_bytes, alignment = self.unpack("IIQQQQQQ", place)
            else:
                kind, start, address, _, file_bytes, memory_bytes, flags, alignment = self.unpack("IIIIIIII", place)
            yield Segment(kind, flags, start, address, file_bytes, memory_bytes, alignment)

    def _require_whole(self, shoff: int, shentsize: int, shnum: int) -> None:
        ends = [segment.offset + segment.file_bytes for segment in self.segments]
        ends.append(shoff + shnum * shentsize if shoff else 0)
        if max(ends) > len(self.data):
            raise Damaged(f"truncated ELF file: {len(self.data)} bytes, its headers speak of {max(ends)}")
        if shnum and shentsize < (64 if self.bits == 64 else 40):
            raise Damaged(f"damaged ELF file (section headers of {shentsize} bytes)")


class Strings:
    """A table of names that end with NUL. Raises Damaged for an offset outside."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __getitem__(self, offset: int) -> str:
        end = self._content.find(b"\0", offset, offset + _MAX_NAME_BYTES)
        if end < 0:
            raise Damaged(f"damaged ELF file (no name at {offset:#x} of its strings)")
        return self._content[offset:end].decode("utf-8", "replace")


def map_file(path: Path) -> mmap.mmap | bytes:
    """The file's bytes; only what is looked at is read."""
    with path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size_bytes else b""


def machine_name(machine: int) -> str:
    return MACHINES.get(machine, f"machine {machine}")
