"""Reads ELF files. The only room that knows the format's reader (pyelftools)."""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from elftools.elf.elffile import ELFFile

from edgebuild.errors import AuditError
from edgebuild.model.elf import ElfFacts, VersionNode

_MAGIC = b"\x7fELF"
_PF_X = 0x1
_DF_1_PIE = 0x08000000
_VER_FLG_WEAK = 0x2
_VERSION_HIDDEN = 0x8000
# Where PT_GNU_STACK is absent the loader assumes an executable stack. Source: glibc, sysdeps/*/stackinfo.h.
_EXEC_STACK_BY_DEFAULT = ("EM_386", "EM_ARM", "EM_X86_64")


def is_elf(path: Path) -> bool:
    """By magic number; symlinks and other non-files are not."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


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
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            msg = f"{name}: not an ELF file"
            raise AuditError(msg)
        try:
            elf = ELFFile(file)
            _require_whole(elf, os.fstat(file.fileno()).st_size, name)
            return _facts(elf, name, also)
        except AuditError:
            raise
        # The reader's parser raises whatever it stumbles over in garbage: ELFError, AssertionError,
        # struct.error, UnicodeDecodeError, KeyError, ...
        except Exception as err:
            msg = f"{name}: damaged ELF file ({type(err).__name__}: {err})"
            raise AuditError(msg, "build or download it again.") from err


def highest_versions(elf: ElfFacts) -> dict[str, str]:
    """Highest version that a file needs, per node family: {"GLIBC": "2.17"}."""
    highest: dict[str, tuple[int, ...]] = {}
    for nodes in elf.needed_versions.values():
        for node in map(VersionNode.parse, nodes):
            highest[node.family] = max(node.version, highest.get(node.family, ()))
    return {family: ".".join(map(str, version)) for family, version in sorted(highest.items())}


def _require_whole(elf: ELFFile, size_bytes: int, name: str) -> None:
    ends = [segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments()]
    ends.append(elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"])
    if max(ends) > size_bytes:
        msg = f"{name}: truncated ELF file: {size_bytes} bytes, its headers speak of {max(ends)}"
        raise AuditError(msg, "build or download it again.")
    if elf.num_segments() and not elf.num_sections():
        msg = f"{name}: has no section headers, so its symbol versions cannot be read"
        raise AuditError(msg, "strip it with strip or objcopy rather than with sstrip.")


def _facts(elf: ELFFile, name: str, also: tuple[str, ...]) -> ElfFacts:
    tags = _dynamic_tags(elf)
    versions = _symbol_versions(elf)
    defined_versions = _defined_versions(elf)
    undefined, exported = _dynamic_symbols(elf)
    interpreter = _interpreter(elf)
    needed_versions: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for index, (library, node) in versions.items():
        needed_versions[library][node] = tuple(sorted(symbol for symbol, bound in undefined if bound == index))
    nodes = {index: node for index, (_, node) in versions.items()}
    return ElfFacts(
        name=name,
        also=also,
        machine=str(elf["e_machine"]),
        bits=elf.elfclass,
        endianness="little" if elf.little_endian else "big",
        kind=_kind(elf, tags, interpreter),
        soname="".join(tags["DT_SONAME"]),
        needed=tuple(tags["DT_NEEDED"]),
        runpath=tuple(entry for value in tags["DT_RUNPATH"] or tags["DT_RPATH"] for entry in value.split(":")),
        needed_versions=dict(needed_versions),
        defined_versions=defined_versions,
        exported=tuple(sorted(exported.difference(defined_versions))),  # GNU ld exports the nodes' names, too
        undefined=tuple(sorted(f"{symbol}@{nodes[i]}" if i in nodes else symbol for symbol, i in undefined)),
        interpreter=interpreter,
        build_id=_build_id(elf),
        has_debug=_section(elf, ".debug_info") is not None,
        exec_stack=_exec_stack(elf),
        alignment=min((segment["p_align"] for segment in _segments(elf, "PT_LOAD")), default=0),
    )


def _dynamic_tags(elf: ELFFile) -> dict[str, list[Any]]:
    """Values of .dynamic by tag; strings where the tag means one."""
    tags: dict[str, list[Any]] = defaultdict(list)
    texts = {"DT_NEEDED": "needed", "DT_SONAME": "soname", "DT_RUNPATH": "runpath", "DT_RPATH": "rpath"}
    for segment in _segments(elf, "PT_DYNAMIC"):
        for tag in segment.iter_tags():
            kind = str(tag.entry.d_tag)
            tags[kind].append(getattr(tag, texts[kind]) if kind in texts else tag.entry.d_val)
    return tags


def _kind(elf: ELFFile, tags: dict[str, list[Any]], interpreter: str) -> Literal["executable", "shared", "object"]:
    """A position-independent executable is ET_DYN like a library; libc.so.6 has an interpreter like an executable."""
    if elf["e_type"] == "ET_DYN":
        is_pie = any(flags & _DF_1_PIE for flags in tags["DT_FLAGS_1"]) or (interpreter and not tags["DT_SONAME"])
        return "executable" if is_pie else "shared"
    return "executable" if elf["e_type"] == "ET_EXEC" else "object"


def _symbol_versions(elf: ELFFile) -> dict[int, tuple[str, str]]:
    """Index in .gnu.version -> (library, version node), for what the file needs."""
    section = _section(elf, ".gnu.version_r")
    if section is None:
        return {}
    return {
        aux["vna_other"]: (library.name, aux.name)
        for library, auxiliaries in section.iter_versions()
        for aux in auxiliaries
        if not aux["vna_flags"] & _VER_FLG_WEAK
    }


def _defined_versions(elf: ELFFile) -> tuple[str, ...]:
    section = _section(elf, ".gnu.version_d")
    if section is None:
        return ()
    # The first auxiliary entry names the node; later ones are its predecessors.
    return tuple(sorted(next(auxiliaries).name for _, auxiliaries in section.iter_versions()))


def _dynamic_symbols(elf: ELFFile) -> tuple[list[tuple[str, int]], set[str]]:
    """Undefined symbols with their version index, and names of the exported ones."""
    table = _section(elf, ".dynsym")
    if table is None:
        return [], set()
    order = "<" if elf.little_endian else ">"
    section = _section(elf, ".gnu.version")
    indices = [index for (index,) in struct.iter_unpack(f"{order}H", section.data())] if section else []
    undefined: list[tuple[str, int]] = []
    exported: set[str] = set()
    for number, symbol in enumerate(table.iter_symbols()):
        if not symbol.name or symbol["st_info"]["bind"] == "STB_LOCAL":
            continue
        if symbol["st_shndx"] == "SHN_UNDEF":
            undefined.append((symbol.name, indices[number] & ~_VERSION_HIDDEN if indices else 0))
        else:
            exported.add(symbol.name)
    return undefined, exported


def _interpreter(elf: ELFFile) -> str:
    return next((str(segment.get_interp_name()) for segment in _segments(elf, "PT_INTERP")), "")


def _build_id(elf: ELFFile) -> str:
    notes = (note for segment in _segments(elf, "PT_NOTE") for note in segment.iter_notes())
    return next((str(note["n_desc"]) for note in notes if note["n_type"] == "NT_GNU_BUILD_ID"), "")


def _exec_stack(elf: ELFFile) -> bool:
    for segment in _segments(elf, "PT_GNU_STACK"):
        return bool(segment["p_flags"] & _PF_X)
    return elf.num_segments() > 0 and elf["e_machine"] in _EXEC_STACK_BY_DEFAULT


def _segments(elf: ELFFile, kind: str) -> Iterator[Any]:
    return (segment for segment in elf.iter_segments() if segment["p_type"] == kind)


def _section(elf: ELFFile, name: str) -> Any:
    """None if there is no such section. The reader's type of a section depends on what the file says."""
    return elf.get_section_by_name(name)
