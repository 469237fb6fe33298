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
_PROGBITS, _STRTAB, _DYNAMIC, _NOTE, _DYNSYM = 1, 3, 6, 7, 11
_VERDEF, _VERNEED, _VERSYM = 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 14, 15, 29
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
    dynamic = _dynamic(elf, strings)
    sections = [
        (".dynstr", _STRTAB, bytes(strings.content), 0, 0),
        (".dynsym", _DYNSYM, b"".join(symbols), 1, 1),
        (".gnu.version", _VERSYM, struct.pack(f"<{len(versions)}H", *versions), 2, 0),
        (".dynamic", _DYNAMIC, dynamic, 1, 0),
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
        verdef += struct.pack("<HHHHIII", 1, 0, number + 1, 1, 0, 20, following)
        verdef += struct.pack("<II", strings.add(node), 0)
    return verdef


def _dynamic(elf: Elf, strings: _Strings) -> bytes:
    entries = [(_DT_NEEDED, strings.add(library)) for library in elf.needed]
    texts = {_DT_SONAME: elf.soname, _DT_RPATH: elf.rpath, _DT_RUNPATH: elf.runpath}
    entries += [(tag, strings.add(text)) for tag, text in texts.items() if text]
    # The string table is the first section's content, right behind the program headers.
    entries += [(_DT_STRTAB, _HEADER_BYTES + 6 * _SEGMENT_BYTES), (0, 0)]
    return b"".join(struct.pack("<QQ", *entry) for entry in entries)


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
