"""Writes ELF files with machine code in them, as linkers lay them out: functions, unwind records, symbols, calls.

The first segment is read-only and starts the file; the second is the code, and starts at CODE.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CODE = 0x10000
PLT = CODE + 0x8000  # where the stub of the one imported function lies
_SLOT = 0x20000  # in no segment: nothing reads it


@dataclass
class Code:
    """words: the code segment from CODE on. functions: (name, offset, size) in it.

    unwind: whether the functions have records in .eh_frame_hdr. sections, symtab: whether they are there.
    marks: offset -> "$x" or "$d". imports: the function behind PLT, "" for none. resolver: an IRELATIVE relocation.
    texts: strings in read-only data.
    """

    words: Sequence[int] = ()
    functions: Sequence[tuple[str, int, int]] = ()
    machine: int = 183
    unwind: bool = True
    sections: bool = True
    symtab: bool = False
    marks: Mapping[int, str] = field(default_factory=dict)
    imports: str = ""
    resolver: bool = False
    texts: Sequence[str] = ()
    raw: bytes = b""


def call(offset: int, target: int = PLT) -> int:
    """BL from an offset in the code to an address."""
    return 0x94000000 | ((target - CODE - offset) >> 2 & 0x3FFFFFF)


def adrp(register: int, offset: int, target: int) -> int:
    pages = (target >> 12) - ((CODE + offset) >> 12)
    return 0x90000000 | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5 | register


def write(code: Code) -> bytes:
    """A 64-bit shared object."""
    body = code.raw or struct.pack(f"<{len(code.words)}I", *code.words)
    if code.imports:
        stub = struct.pack(
            "<4I", adrp(16, PLT - CODE, _SLOT), 0xF9400211 | (_SLOT & 0xFFF) // 8 << 10, 0x91000210, 0xD61F0220
        )
        body = body.ljust(PLT - CODE, b"\0") + stub
    read_only = bytearray(0x400)
    strings = b"\0" + code.imports.encode() + b"\0"
    dynsym = bytes(24) + (struct.pack("<IBBHQQ", 1, 0x12, 0, 0, 0, 0) if code.imports else b"")
    relocations = struct.pack("<QQq", _SLOT, 1 << 32 | 1026, 0) if code.imports else b""
    relocations += struct.pack("<QQq", _SLOT + 8, 1032, CODE) if code.resolver else b""
    places = {}
    for name, part in (("dynsym", dynsym), ("strings", strings), ("rela", relocations)):
        places[name] = len(read_only)
        read_only += part + bytes(-len(part) % 8)
    tags = {5: places["strings"], 6: places["dynsym"], 10: len(strings), 7: places["rela"], 8: len(relocations), 9: 24}
    places["dynamic"] = len(read_only)
    read_only += b"".join(struct.pack("<QQ", *tag) for tag in (*tags.items(), (0, 0)))
    places["frames"] = len(read_only)
    read_only += _frames(code, len(read_only))
    read_only += b"".join(text.encode() + b"\0" for text in code.texts)
    assert len(read_only) <= CODE
    segments = [
        (1, 4, 0, len(read_only)),
        (1, 5, CODE, len(body)),
        (2, 4, places["dynamic"], 16 * (len(tags) + 1)),
    ]
    if code.unwind:
        segments.append((0x6474E550, 4, places["frames"], 12 + 8 * len(code.functions)))
    content = bytes(read_only).ljust(CODE, b"\0") + body
    sections = _sections(code, len(content), len(body), len(strings), places) if code.sections else (b"", 0, 0)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, code.machine, 1, 0, 64,
        len(content) + sections[1] if code.sections else 0, 0, 64, 56, len(segments), 64, sections[2], 0,
    )  # fmt: skip
    headers = header + b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, start, start, start, size, size, 8)
        for kind, flags, start, size in segments
    )
    return headers + content[len(headers) :] + sections[0]


def _frames(code: Code, place: int) -> bytes:
    """.eh_frame_hdr with its table, then records of which only what readers look at is there."""
    count = len(code.functions)
    table, records = b"", b""
    records_at = place + 12 + 8 * count
    for number, (_, offset, size) in enumerate(sorted(code.functions, key=lambda each: each[1])):
        record_at = records_at + 16 * number
        table += struct.pack("<ii", CODE + offset - place, record_at - place)
        records += struct.pack("<IIiI", 12, 1, CODE + offset - (record_at + 8), size)
    return struct.pack("<4BiI", 1, 0x1B, 0x03, 0x3B, 0, count) + table + records


def _sections(
    code: Code, start: int, code_size: int, strings_size: int, places: Mapping[str, int]
) -> tuple[bytes, int, int]:
    """What follows the content, where in it the headers are, and how many."""
    names = b"\0"
    symbols = [bytes(24)]
    if code.symtab:
        entries = [(mark, 0x00, offset, 0) for offset, mark in code.marks.items()]
        entries += [(name, 0x12, offset, size) for name, offset, size in code.functions]
        for name, info, offset, size in entries:
            symbols.append(struct.pack("<IBBHQQ", len(names), info, 0, 1, CODE + offset, size))
            names += name.encode() + b"\0"
    table = b"".join(symbols)
    headers = [
        (0, 0, 0, 0, 0),
        (1, 0x6, CODE, CODE, code_size),
        (11, 0x2, places["dynsym"], places["dynsym"], 24 * (2 if code.imports else 1)),
    ]
    if code.symtab:
        headers += [(2, 0, 0, start, len(table)), (3, 0, 0, start + len(table), len(names))]
    body = table + names if code.symtab else b""
    body += bytes(-len(body) % 8)
    packed = b"".join(
        struct.pack("<IIQQQQIIQQ", 0, kind, flags, address, offset, size, 4 if kind == 2 else 0, 0, 4, 0)
        for kind, flags, address, offset, size in headers
    )
    return body + packed, len(body), len(headers)
