"""What a linker's map says: the input files that something of was kept, and which addresses came from which.

Formats: GNU ld's and lld's `-Map` (zig's compilers print lld's with -Wl,--print-map); neither is specified, both are
checked on maps that these linkers wrote (tests/e2e/test_origin.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LLD_HEAD = re.compile(r"^\s+VMA\s+LMA\s+Size\s+Align\s+Out\s+In\s+Symbol$")
# "  10105e0   10105e0   3c   4         libfoo.a(foo.o):(.text)": the indentation behind the alignment is the column.
_LLD_LINE = re.compile(r"^\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+ (\s*)(\S.*)$")
_LLD_INPUT_INDENT = 8
_GNU_HEAD = "Linker script and memory map"
# " .text          0x0000000000000740       0x2c libfoo.a(foo.o)"; a long section name has a line of its own before.
_GNU_LINE = re.compile(r"^ (\.\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$")
_GNU_SECTION = re.compile(r"^ (\.\S+)$")
_CODE = (".text", ".init", ".fini", ".plt")


@dataclass(frozen=True)
class Range:
    """Code of an input file. address: in the linked file."""

    address: int
    size_bytes: int
    source: str


@dataclass(frozen=True)
class LinkMap:
    """inputs: as the linker was given them, a member of a library as "lib/libfoo.a(foo.o)", in the map's order."""

    inputs: tuple[str, ...]
    code: tuple[Range, ...]


def parse_link_map(text: str) -> LinkMap:
    """Empty for a text that is no linker's map."""
    lines = text.splitlines()
    pieces = list(_lld(lines) if lines and _LLD_HEAD.match(lines[0]) else _gnu(lines))
    code = (Range(address, size, source) for section, address, size, source in pieces if size and _is_code(section))
    return LinkMap(tuple(dict.fromkeys(source for *_, source in pieces)), tuple(code))


def read_link_map(path: Path) -> LinkMap:
    """Raises OSError."""
    return parse_link_map(path.read_text(encoding="utf-8", errors="replace"))


def _is_code(section: str) -> bool:
    return section.startswith(_CODE)


def _lld(lines: list[str]) -> Iterator[tuple[str, int, int, str]]:
    """Section of the linked file, address, size and input file of every piece."""
    section = ""
    for line in lines:
        if not (match := _LLD_LINE.match(line)):
            continue
        address, size, indent, what = match.groups()
        if not indent:
            section = what
        elif len(indent) == _LLD_INPUT_INDENT and not what.startswith("<internal>"):
            source, _, rest = what.rpartition(":(")
            if rest:
                yield section, int(address, 16), int(size, 16), source


def _gnu(lines: list[str]) -> Iterator[tuple[str, int, int, str]]:
    """What was discarded stands before the head."""
    section, begun = "", False
    for line in lines:
        begun = begun or line == _GNU_HEAD
        if not begun:
            continue
        if match := _GNU_SECTION.match(line):
            section = match[1]
        elif match := _GNU_LINE.match(line):
            section = match[1] or section
            yield section, int(match[2], 16), int(match[3], 16), match[4]
