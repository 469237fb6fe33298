"""What files that were imported really are: machine, C library, linker scripts, static archives. Changes nothing.

The names have chosen them (sysroot_select.py); a box may hold libraries of another machine, or static ones that an
upgrade of the C library has left behind.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebuild.build.sysroot_links import Plan, merged_path
from edgebuild.model.arch import ARCHES, Arch

_ELF_MAGIC = b"\x7fELF"
_AR_MAGIC, _THIN_MAGIC = b"!<arch>\n", b"!<thin>\n"
_AR_HEADER_BYTES = 60
_MACHINE_NUMBERS = {62: "x86_64", 183: "aarch64"}  # e_machine; elf.h
_CLASS_64 = 2
# The start of glibc's own words about itself, in libc.so.6 and in libc.a alike. Source: glibc, csu/version.c.
_BANNER = re.compile(rb"GNU C Library [^\n]{0,200}?release version (\d+\.\d+)")
_SCRIPT_WORD = re.compile(r"\b(?:GROUP|INPUT|OUTPUT_FORMAT|AS_NEEDED)\b")
_SCRIPT_PATH = re.compile(r"(?<![\w.-])/(?!\*)[\w.+/-]+")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MAX_SCRIPT_BYTES = 4096
_LIBC_STATICS = ("libc.a", "libm.a", "libdl.a", "libpthread.a", "librt.a", "libutil.a", "libresolv.a")
_ONE_LIBRARY_SINCE = (2, 34)  # libpthread, libdl, librt and libutil are in libc.so.6 from then on
_FORMATS = {"aarch64": "elf64-littleaarch64", "x86_64": "elf64-x86-64"}  # BFD's names
_JOINED = ("libdl.a", "libpthread.a", "librt.a", "libutil.a")

Held = Callable[[str], Path]


@dataclass(frozen=True)
class Judgement:
    """foreign: files of another machine. stale: static libraries of another C library. damaged: neither ELF nor text.

    scripts: linker scripts that name what the sysroot has not, "PLACE: NAME".
    """

    foreign: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()

    @property
    def unwanted(self) -> tuple[str, ...]:
        return (*self.foreign, *self.stale, *self.damaged)


def machine_of(head: bytes) -> str:
    """Of an ELF file's first 20 bytes: "aarch64"; "other" for what we do not build for; "" for no ELF file."""
    if len(head) < 20 or not head.startswith(_ELF_MAGIC):
        return ""
    little = head[5] == 1
    (number,) = struct.unpack("<H" if little else ">H", head[18:20])
    return _MACHINE_NUMBERS.get(number, "other") if little and head[4] == _CLASS_64 else "other"


def glibc_of(content: bytes) -> str:
    """The version that a C library's file states: "2.31"; "" for none."""
    match = _BANNER.search(content)
    return match[1].decode() if match else ""


def arch_of(libc: Path) -> Arch | None:
    """None for an architecture that we do not build for."""
    with libc.open("rb") as file:
        return ARCHES.get(machine_of(file.read(20)))


def judge(plan: Plan, held: Held, arch: Arch, glibc: str) -> Judgement:
    """held: place in the sysroot -> where its content lies."""
    foreign, stale, damaged, scripts = [], [], [], []
    for place, kind in plan.kinds.items():
        if place not in plan.files or kind not in ("library", "start", "static"):
            continue
        name, file = place.rpartition("/")[2], held(place)
        with file.open("rb") as opened:
            head = opened.read(_MAX_SCRIPT_BYTES + 1)
        if name.endswith(".a") and head.startswith((_AR_MAGIC, _THIN_MAGIC)):
            if head.startswith(_THIN_MAGIC):
                damaged.append(place)  # its members lie somewhere else
            elif set(_member_machines(file)) - {arch.name}:
                foreign.append(place)
            elif name in _LIBC_STATICS and is_stale(name, file.read_bytes(), glibc):
                stale.append(place)
        elif machine := machine_of(head):
            if machine != arch.name:
                foreign.append(place)
        elif is_script(head):
            if _format_of(head) not in ("", _FORMATS[arch.name]):
                foreign.append(place)
            scripts += [f"{place}: {path}" for path in script_paths(head) if not _stands(path, plan)]
        else:
            damaged.append(place)
    # Without its libc.a, a libm.a or libpthread.a has nothing to belong to.
    if any(place.endswith("/libc.a") for place in stale):
        others = [place for place in plan.files if place.rpartition("/")[2] in _LIBC_STATICS]
        stale += [place for place in others if place not in stale and plan.files[place].size_bytes > len(_AR_MAGIC)]
    return Judgement(tuple(foreign), tuple(stale), tuple(damaged), tuple(scripts))


def is_stale(name: str, content: bytes, glibc: str) -> bool:
    """Whether one of the C library's static archives was left behind by another version of it.

    libc.a says its version. Those that glibc 2.34 has joined with it are empty from then on, and were not before.
    """
    if name == "libc.a":
        return glibc_of(content) != glibc
    is_empty = content == _AR_MAGIC
    is_joined = tuple(map(int, glibc.split("."))) >= _ONE_LIBRARY_SINCE
    return name in _JOINED and is_empty != is_joined


def is_script(head: bytes) -> bool:
    """Whether a .so is the text that a linker reads: GROUP ( /lib/libc.so.6 ... )."""
    if len(head) > _MAX_SCRIPT_BYTES or b"\0" in head:
        return False
    return bool(_SCRIPT_WORD.search(head.decode("utf-8", errors="replace")))


def script_paths(head: bytes) -> list[str]:
    """The absolute paths that a linker script names, below the root."""
    text = _COMMENT.sub(" ", head.decode("utf-8", errors="replace"))
    return [path.lstrip("/") for path in _SCRIPT_PATH.findall(text)]


def _format_of(head: bytes) -> str:
    match = re.search(rb"OUTPUT_FORMAT\s*\(\s*\"?([\w-]+)", head)
    return match[1].decode() if match else ""


def _stands(path: str, plan: Plan) -> bool:
    place = merged_path(path)
    return place in plan.files or place in plan.links


def _member_machines(archive: Path) -> Iterator[str]:
    """Of every ELF member. Format: ar(5). Ends quietly where the archive is cut off: a linker says so better."""
    with archive.open("rb") as file:
        file.seek(len(_AR_MAGIC))
        while len(header := file.read(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
            size = header[48:58].strip()
            if not size.isdigit():
                return
            head = file.read(min(20, int(size)))
            if machine := machine_of(head):
                yield machine
            file.seek(int(size) + int(size) % 2 - len(head), 1)


def digest_entries(plan: Plan, digests: Mapping[str, str], relative: Mapping[str, str]) -> dict[str, list[str]]:
    """As edgebuild.digest.digest_tree() would describe the sysroot that the plan makes."""
    files = {place: ["x" if file.executable else "-", digests[place]] for place, file in plan.files.items()}
    return {**files, **{place: ["link", target] for place, target in relative.items()}}
