"""What strings tell that no header says: libraries it may open, folders of the machine that built it."""

from __future__ import annotations

import mmap
import posixpath
import re
from collections.abc import Iterator

from edgebuild.elf.dynamic import Dynamic
from edgebuild.elf.format import PF_X, PT_DYNAMIC, ElfFile
from edgebuild.model.elf import ElfFacts

# Versioned or not, with or without a folder: what dlopen takes.
_LIBRARY = re.compile(rb"(?:[\w$/{}.+-]*/)?lib[\w.+-]*\.so(?:\.\d+)*")
# Homes of people and of CI systems. Where a program could mean the folder on the box, only a source file counts.
_HOME = re.compile(rb"(?:/home/[\w.-]+|/Users/[\w.-]+|[A-Z]:\\Users\\[\w.-]+)[/\\][\w.+@/\\-]{1,200}")
_SOURCE = re.compile(
    rb"(?:/root|/builds?|/tmp|/var/jenkins\w*|/github/workspace|/__w|/workspace)/[\w.+@/-]{1,200}?"
    rb"\.(?:c|cc|cpp|cxx|cu|h|hh|hpp|rs|go|py|pyx|f90|S)\b"
)
_PREFIXES = (
    b"/home/", b"/Users/", b":\\Users\\", b"/root/", b"/build", b"/tmp/", b"/var/jenkins", b"/github/", b"/__w/",
    b"/workspace/",
)  # fmt: skip
_PATH_PARTS = 4
_MAX_NAME_BYTES = 256
_MOST = 50  # of one kind in one file: a list for people


def scan_strings(data: mmap.mmap | bytes, elf: ElfFile, facts: ElfFacts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """ElfFacts.opens and ElfFacts.paths. Looks at loaded data, not at code, dynamic strings or debug information."""
    opens: set[str] = set()
    paths: set[str] = set()
    known = {*facts.needed, *facts.needed_versions, facts.soname, posixpath.basename(facts.name)}
    for start, end in _data_ranges(elf):
        for name in _libraries(data, start, end):
            if name not in known and len(opens) < _MOST:
                opens.add(name)
        for path in _build_paths(data, start, end):
            if len(paths) < _MOST:
                paths.add(path)
    return tuple(sorted(opens)), tuple(sorted(paths))


def _data_ranges(elf: ElfFile) -> Iterator[tuple[int, int]]:
    """Bytes of loadable segments that are not executable, without the table of dynamic names."""
    skip = Dynamic.read(elf, next(elf.of_kind(PT_DYNAMIC), None)).strings_range()
    for segment in elf.loads:
        if segment.flags & PF_X and len(elf.loads) > 2:
            continue  # old linkers put constants and code into one segment; then there are two in all
        start, end = segment.offset, segment.offset + segment.file_bytes
        if start < skip[1] and skip[0] < end:
            yield start, skip[0]
            start = skip[1]
        yield start, end


def _libraries(data: mmap.mmap | bytes, start: int, end: int) -> Iterator[str]:
    place = data.find(b".so", start, end)
    while place >= 0:
        first = data.rfind(b"\0", max(start, place - _MAX_NAME_BYTES), place) + 1
        last = data.find(b"\0", place, min(end, place + _MAX_NAME_BYTES))
        if first > 0 and last > 0 and _LIBRARY.fullmatch(text := bytes(data[first:last])):
            yield text.decode()
        place = data.find(b".so", max(last, place + 3), end)


def _build_paths(data: mmap.mmap | bytes, start: int, end: int) -> Iterator[str]:
    for prefix in _PREFIXES:
        place = data.find(prefix, start, end)
        while place >= 0:
            from_place = place - 1 if prefix.startswith(b":") else place
            text = bytes(data[from_place : min(end, from_place + _MAX_NAME_BYTES)])
            if match := _HOME.match(text) or _SOURCE.match(text):
                yield _shortened(match[0].decode())
            place = data.find(prefix, place + len(prefix), end)


def _shortened(path: str) -> str:
    """Its folder, at most some levels deep: a list of every source file helps nobody."""
    parts = re.split(r"[/\\]", path)[:-1]
    return "/".join(parts[: _PATH_PARTS + 1])
