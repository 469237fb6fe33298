"""Writes the smallest ELF files that carry given facts, so that tests of ELF code need no compiler.

Only what readers look at is there: headers, dynamic section, symbols, versions, notes. Nothing in them runs.
Format: System V ABI, chapters 4 and 5; LSB, "Symbol Versioning".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MACHINES = {"EM_386": 3, "EM_ARM": 40, "EM_X86_64": 62, "EM_AARCH64": 183}
_ET_DYN, _PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE, _PT_GNU_STACK = 3, 1, 2, 3, 4, 0x6474E551
_PROGBITS, _STRTAB, _HASH, _DYNAMIC, _NOTE, _DYNSYM = 1, 3, 5, 6, 7, 11
_VERDEF, _VERNEED, _VERSYM = 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_DT_NEEDED, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 6, 10, 14, 15, 29
_DT_HASH = 4
_DT_VERSYM, _DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = (0x6FFFFFF0, *range(0x6FFFFFFC, 0x70000000))
_HEADER_BYTES, _SEGMENT_BYTES = 64, 56
_WEAK = 2


@dataclass
class Elf:
    """needs: library -> version node -> symbols. weak: nodes that only weak references ask for."""

    machine: str = "EM_AARCH64"
    needed: Sequence[str] = ()
    soname: str = ""
    runpath: str = ""
    rpath: str = ""
    needs: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    weak: Sequence[str] = ()
    defines: Sequence[str] = ()
    exports: Sequence[str] = ()
    interpreter: str = ""
    build_id: bytes = b""
    debug: bool = False
    stack_flags: int | None = 6  # PF_R | PF_W; None: no PT_GNU_STACK
    alignment: int = 0x10000


class _Strings:
    def __init__(self) -> None:
        self.content = bytearray(b"\0")

    def add(self, text: str) -> int:
        self.content += text.encode() + b"\0"
        return len(self.content) - len(text) - 1


def write_elf(elf: Elf) -> bytes:
    """A 64-bit little-endian shared object."""
    strings = _Strings()
    segment_count = 6
    content = bytearray(_HEADER_BYTES + segment_count * _SEGMENT_BYTES)
    sections: list[tuple[str, int, bytes, int, int]] = []  # name, type, content, link, info
    symbols, versions = [b"\0" * 24], [0]
    verneed = _version_needs(elf, strings, symbols, versions)
    for name in elf.exports:
        symbols.append(struct.pack("<IBBHQQ", strings.add(name), 0x12, 0, 1, 0x1000, 8))
        versions.append(1)
    verdef = _version_definitions(elf.defines, strings)
    entries = _dynamic_entries(elf, strings)
    dynsym, versym = b"".join(symbols), struct.pack(f"<{len(versions)}H", *versions)
    entries += _addresses(elf, len(strings.content), len(dynsym), len(versym), len(entries), len(verneed))
    sections = [
        (".dynstr", _STRTAB, bytes(strings.content), 0, 0),
        (".dynsym", _DYNSYM, dynsym, 1, 1),
        (".gnu.version", _VERSYM, versym, 2, 0),
        (".hash", _HASH, struct.pack(f"<II{1 + len(symbols)}I", 1, len(symbols), *[0] * (1 + len(symbols))), 2, 0),
        (".dynamic", _DYNAMIC, b"".join(struct.pack("<QQ", *entry) for entry in entries), 1, 0),
    ]
    if elf.needs:
        sections.append((".gnu.version_r", _VERNEED, verneed, 1, len(elf.needs)))
    if elf.defines:
        sections.append((".gnu.version_d", _VERDEF, verdef, 1, len(elf.defines)))
    if elf.interpreter:
        sections.append((".interp", _PROGBITS, elf.interpreter.encode() + b"\0", 0, 0))
    if elf.build_id:
        note = struct.pack("<III4s", 4, len(elf.build_id), 3, b"GNU\0") + elf.build_id
        sections.append((".note.gnu.build-id", _NOTE, note, 0, 0))
    if elf.debug:
        sections.append((".debug_info", _PROGBITS, b"\1" * 16, 0, 0))
    return _assemble(elf, content, sections)


def _version_needs(elf: Elf, strings: _Strings, symbols: list[bytes], versions: list[int]) -> bytes:
    verneed, index = b"", 2
    for number, (library, nodes) in enumerate(elf.needs.items()):
        auxiliaries = b""
        for position, (node, names) in enumerate(nodes.items()):
            flags = _WEAK if node in elf.weak else 0
            following = 16 if position < len(nodes) - 1 else 0
            auxiliaries += struct.pack("<IHHII", 0, flags, index, strings.add(node), following)
            for name in names:
                symbols.append(struct.pack("<IBBHQQ", strings.add(name), 0x12, 0, 0, 0, 0))
                versions.append(index)
            index += 1
        following = 16 + len(auxiliaries) if number < len(elf.needs) - 1 else 0
        verneed += struct.pack("<HHIII", 1, len(nodes), strings.add(library), 16, following) + auxiliaries
    return verneed


def _version_definitions(nodes: Sequence[str], strings: _Strings) -> bytes:
    verdef = b""
    for number, node in enumerate(nodes):
        following = 28 if number < len(nodes) - 1 else 0
        verdef += struct.pack("<HHHHIII", 1, 0, number + 2, 1, 0, 20, following)
        verdef += struct.pack("<II", strings.add(node), 0)
    return verdef


def _dynamic_entries(elf: Elf, strings: _Strings) -> list[tuple[int, int]]:
    entries = [(_DT_NEEDED, strings.add(library)) for library in elf.needed]
    texts = {_DT_SONAME: elf.soname, _DT_RPATH: elf.rpath, _DT_RUNPATH: elf.runpath}
    return entries + [(tag, strings.add(text)) for tag, text in texts.items() if text]


def _addresses(
    elf: Elf, strings_bytes: int, dynsym_bytes: int, versym_bytes: int, entry_count: int, verneed_bytes: int
) -> list[tuple[int, int]]:
    """Where the tables lie: in the order of write_elf's sections, each aligned to 8, behind the program headers."""
    dynstr = _HEADER_BYTES + 6 * _SEGMENT_BYTES
    dynsym = dynstr + _aligned(strings_bytes)
    versym = dynsym + _aligned(dynsym_bytes)
    hashes = versym + _aligned(versym_bytes)
    tables = [(_DT_STRTAB, dynstr), (_DT_STRSZ, strings_bytes), (_DT_SYMTAB, dynsym), (_DT_VERSYM, versym)]
    tables.append((_DT_HASH, hashes))
    wanted = [(elf.needs, _DT_VERNEED, _DT_VERNEEDNUM), (elf.defines, _DT_VERDEF, _DT_VERDEFNUM)]
    present = [each for each in wanted if each[0]]
    place = hashes + _aligned(12 + 4 * (dynsym_bytes // 24)) + 16 * (entry_count + len(tables) + 2 * len(present) + 1)
    for entries, tag, count_tag in present:
        tables += [(tag, place), (count_tag, len(entries))]
        place += _aligned(verneed_bytes)
    return [*tables, (0, 0)]


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // 8) * 8


def _assemble(elf: Elf, content: bytearray, sections: list[tuple[str, int, bytes, int, int]]) -> bytes:
    places: dict[str, tuple[int, int]] = {}
    names = _Strings()
    table = bytearray(64)
    entry_bytes = {_DYNSYM: 24, _VERSYM: 2, _DYNAMIC: 16}
    for name, kind, body, link, info in [*sections, (".shstrtab", _STRTAB, b"", 0, 0)]:
        label = names.add(name)
        body = bytes(names.content) if name == ".shstrtab" else body
        places[name] = (len(content), len(body))
        offset, size = places[name]
        table += struct.pack(
            "<IIQQQQIIQQ", label, kind, 2, offset, offset, size, link, info, 8, entry_bytes.get(kind, 0)
        )
        content += body + b"\0" * (-len(body) % 8)
    segments = [(_PT_LOAD, 5, 0, len(content), elf.alignment)]
    for kind, name in ((_PT_DYNAMIC, ".dynamic"), (_PT_INTERP, ".interp"), (_PT_NOTE, ".note.gnu.build-id")):
        if name in places:
            segments.append((kind, 4, *places[name], 4))
    if elf.stack_flags is not None:
        segments.append((_PT_GNU_STACK, elf.stack_flags, 0, 0, 16))
    for number, (kind, flags, offset, size, alignment) in enumerate(segments):
        packed = struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, alignment)
        start = _HEADER_BYTES + number * _SEGMENT_BYTES
        content[start : start + _SEGMENT_BYTES] = packed
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", _ET_DYN, MACHINES[elf.machine], 1, 0, _HEADER_BYTES, len(content), 0,
        _HEADER_BYTES, _SEGMENT_BYTES, len(segments), 64, len(sections) + 2, len(sections) + 1,
    )  # fmt: skip
    content[:_HEADER_BYTES] = header
    return bytes(content + table)
