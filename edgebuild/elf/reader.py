"""Facts of ELF files, as the dynamic loader would read them."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Literal

from edgebuild.elf.dynamic import Dynamic
from edgebuild.elf.format import (
    MAGIC,
    PF_W,
    PF_X,
    PT_DYNAMIC,
    PT_GNU_STACK,
    PT_INTERP,
    PT_NOTE,
    PT_TLS,
    Damaged,
    ElfFile,
    machine_name,
    map_file,
)
from edgebuild.errors import AuditError
from edgebuild.model.elf import ElfFacts

_ET_EXEC, _ET_DYN = 2, 3
_DF_1_PIE = 0x08000000
_NT_ABI_TAG, _NT_BUILD_ID = 1, 3
_MAX_NOTES = 1000
_SHT_NOBITS = 8
_TPOFF = {62: 18, 183: 1030}  # R_X86_64_TPOFF64, R_AARCH64_TLS_TPREL by e_machine
_LARGEST_PAGE = 65536  # that Linux has on these architectures


def is_elf(path: Path) -> bool:
    """By magic number; symlinks and other non-files are not."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_elves(tree: Path) -> tuple[ElfFacts, ...]:
    """Facts of every ELF file below a folder, by path, whatever the files are called.

    Symlinks are not followed; they become names of the file they lead to. Raises AuditError.
    """
    links: dict[Path, list[str]] = defaultdict(list)
    files: list[Path] = []
    for folder, _, names in os.walk(tree):
        for path in (Path(folder, name) for name in names):
            if path.is_symlink():
                links[path.resolve()].append(path.relative_to(tree).as_posix())
            elif is_elf(path):
                files.append(path)
    return tuple(
        read_elf(path, name=path.relative_to(tree).as_posix(), also=tuple(sorted(links[path.resolve()])))
        for path in sorted(files)
    )


def read_elf(path: Path, *, name: str = "", also: tuple[str, ...] = ()) -> ElfFacts:
    """name: path to record, the file's own name by default. Raises AuditError if it is not a whole, sane ELF file."""
    name = name or path.name
    try:
        return elf_facts(ElfFile.open(map_file(path)), name, also, executable=bool(path.stat().st_mode & 0o100))
    except Damaged as err:
        msg = f"{name}: {err}"
        raise AuditError(msg, "build or download it again.") from err


def elf_facts(elf: ElfFile, name: str, also: tuple[str, ...] = (), *, executable: bool = False) -> ElfFacts:
    """Raises Damaged."""
    if _is_debug_only(elf):
        return _debug_facts(elf, name, also)
    if elf.kind in (_ET_EXEC, _ET_DYN) and not elf.loads:
        raise Damaged("damaged ELF file (it has no loadable segment)")
    dynamic = Dynamic.read(elf, next(elf.of_kind(PT_DYNAMIC), None))
    interpreter = _interpreter(elf)
    machine = machine_name(elf.machine)
    build_id, min_kernel = _notes(elf)
    needed_versions, undefined, weak, exported = dynamic.symbols()
    return ElfFacts(
        name=name,
        also=also,
        machine=machine,
        bits=elf.bits,
        endianness="little" if elf.order == "<" else "big",
        kind=_kind(elf, dynamic, interpreter),
        os_abi=elf.os_abi,
        soname=dynamic.soname,
        needed=dynamic.needed,
        runpath=dynamic.runpath,
        is_rpath=dynamic.is_rpath,
        needed_versions=needed_versions,
        defined_versions=dynamic.defined_versions,
        exported=exported,
        undefined=undefined,
        weak=weak,
        interpreter=interpreter,
        build_id=build_id,
        has_debug=elf.section(b".debug_info") is not None,
        exec_stack=_exec_stack(elf),
        alignment=min((segment.alignment for segment in elf.loads), default=0),
        largest_page=_largest_page(elf),
        text_relocations=dynamic.text_relocations,
        writable_code=any(segment.flags & PF_W and segment.flags & PF_X for segment in elf.loads),
        relr=dynamic.relr,
        static_tls_bytes=_static_tls_bytes(elf, dynamic),
        min_kernel=min_kernel,
        executable=executable,
    )


def _kind(elf: ElfFile, dynamic: Dynamic, interpreter: str) -> Literal["executable", "shared", "object"]:
    """A position-independent executable is ET_DYN like a library; libc.so.6 has an interpreter like an executable."""
    if elf.kind == _ET_DYN:
        is_pie = dynamic.flags_1 & _DF_1_PIE or (interpreter and not dynamic.soname)
        return "executable" if is_pie else "shared"
    return "executable" if elf.kind == _ET_EXEC else "object"


def _static_tls_bytes(elf: ElfFile, dynamic: Dynamic) -> int:
    size_bytes = sum(each.memory_bytes for each in elf.of_kind(PT_TLS))
    if not size_bytes or elf.kind != _ET_DYN:
        return 0
    relocation = _TPOFF.get(elf.machine, 0)
    return size_bytes if dynamic.static_tls or (relocation and dynamic.uses_initial_exec(relocation)) else 0


def _interpreter(elf: ElfFile) -> str:
    for segment in elf.of_kind(PT_INTERP):
        text, end, _ = elf.chunk(segment.offset, min(segment.file_bytes, 4096)).partition(b"\0")
        if not end:
            raise Damaged("damaged ELF file (its interpreter's name does not end)")
        return text.decode("utf-8", "replace")
    return ""


def _notes(elf: ElfFile) -> tuple[str, str]:
    """Build id, and the oldest kernel of NT_GNU_ABI_TAG, "" where there is none."""
    build_id = min_kernel = ""
    for segment in elf.of_kind(PT_NOTE):
        place, end = segment.offset, segment.offset + segment.file_bytes
        step = 8 if segment.alignment == 8 else 4
        for _ in range(_MAX_NOTES):
            if place + 12 > end:
                break
            name_bytes, content_bytes, kind = elf.unpack("III", place)
            content_at = (
                place + 12 + -(-name_bytes // step) * step if step == 4 else place + -(-(12 + name_bytes) // 8) * 8
            )
            if content_at + content_bytes > end:
                break  # nobody refuses a program for a note that makes no sense
            if elf.chunk(place + 12, min(name_bytes, 4)) == b"GNU\0" and name_bytes == 4:
                if kind == _NT_BUILD_ID:
                    build_id = elf.chunk(content_at, content_bytes).hex()
                elif kind == _NT_ABI_TAG and content_bytes >= 16:
                    system, *version = elf.unpack("IIII", content_at)
                    min_kernel = ".".join(map(str, version)) if system == 0 else ""
            place = content_at + -(-content_bytes // step) * step
    return build_id, min_kernel


def _exec_stack(elf: ElfFile) -> bool:
    """Without PT_GNU_STACK the loader assumes one: seen in /proc/self/maps after dlopen on Debian 11 and 12."""
    for segment in elf.of_kind(PT_GNU_STACK):
        return bool(segment.flags & PF_X)
    return len(elf.loads) > 0


def _largest_page(elf: ElfFile) -> int:
    """Up to which page size every segment lies at the same place of a page in the file as in memory."""
    page = _LARGEST_PAGE
    while page > 1 and any((segment.address - segment.offset) % page for segment in elf.loads):
        page //= 2
    return page


def _is_debug_only(elf: ElfFile) -> bool:
    """Split debug information keeps the headers of its program, whose content is elsewhere (SHT_NOBITS)."""
    for name in (b".dynamic", b".interp", b".text"):
        if section := elf.section(name):
            return section.kind == _SHT_NOBITS
    return False


def _debug_facts(elf: ElfFile, name: str, also: tuple[str, ...]) -> ElfFacts:
    """Nobody loads it, so its machine is all that counts."""
    order: Literal["little", "big"] = "little" if elf.order == "<" else "big"
    machine = machine_name(elf.machine)
    return ElfFacts(
        name=name, also=also, machine=machine, bits=elf.bits, endianness=order, kind="object", has_debug=True
    )
