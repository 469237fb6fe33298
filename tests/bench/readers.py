"""The same facts of an ELF file by three readers: ours, pyelftools and lief."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import lief
import msgspec
from elftools.elf.elffile import ELFFile

from edgebuild.elf import read_elf

_HIDDEN_VERSION, _WEAK_NEED, _BASE_DEFINITION = 0x8000, 0x2, 0x1
_VISIBLE = ("STV_DEFAULT", "STV_PROTECTED")
_VISIBILITIES = ("STV_DEFAULT", "STV_INTERNAL", "STV_HIDDEN", "STV_PROTECTED")


class Common(msgspec.Struct, frozen=True):
    """What all three can say. versions: library -> node -> symbols, without nodes that only weak references need."""

    machine: str
    needed: tuple[str, ...]
    soname: str
    runpath: tuple[str, ...]
    interpreter: str
    build_id: str
    exec_stack: bool
    alignment: int
    versions: dict[str, dict[str, tuple[str, ...]]]
    defined_versions: tuple[str, ...]
    exported: tuple[str, ...]
    undefined: tuple[str, ...]
    weak: tuple[str, ...]


def by_ours(path: Path) -> Common:
    elf = read_elf(path)
    same = {name: getattr(elf, name) for name in Common.__struct_fields__ if name != "versions"}
    versions = {library: dict(nodes) for library, nodes in elf.needed_versions.items()}
    return Common(versions=versions, **same)


class _Symbol(msgspec.Struct, frozen=True):
    """version: 0 local, 1 global, others by the tables of versions. binding, visibility: as pyelftools names them."""

    name: str
    binding: str
    visibility: str
    is_undefined: bool
    version: int


def _common(
    symbols: Iterable[_Symbol], needs: dict[int, tuple[str, str, bool]], definitions: dict[int, str], **simple: Any
) -> Common:
    """needs: version index -> library, node, whether only weak references need it."""
    bound: dict[int, list[str]] = defaultdict(list)
    kinds: dict[str, list[str]] = {"undefined": [], "weak": [], "exported": []}
    for symbol in symbols:
        if not symbol.name or symbol.binding == "STB_LOCAL":
            continue
        if symbol.is_undefined:
            _, node, _ = needs.get(symbol.version, ("", "", False))
            bound[symbol.version].append(symbol.name)
            kind = "weak" if symbol.binding == "STB_WEAK" else "undefined"
            kinds[kind].append(f"{symbol.name}@{node}" if node else symbol.name)
        elif symbol.version and symbol.visibility in _VISIBLE and symbol.name not in definitions.values():
            node = definitions.get(symbol.version, "")
            kinds["exported"].append(f"{symbol.name}@{node}" if node else symbol.name)
    versions: dict[str, dict[str, tuple[str, ...]]] = {}
    for index, (library, node, is_weak) in needs.items():
        if not is_weak:
            versions.setdefault(library, {})[node] = tuple(sorted(bound[index]))
    return Common(
        versions=versions,
        defined_versions=tuple(sorted(definitions.values())),
        **{kind: tuple(sorted(names)) for kind, names in kinds.items()},
        **simple,
    )


# ---- pyelftools ----


def by_pyelftools(path: Path) -> Common:
    with path.open("rb") as file:
        elf = ELFFile(file)
        tags: dict[str, list[Any]] = defaultdict(list)
        for segment in _segments(elf, "PT_DYNAMIC"):
            for tag in segment.iter_tags():
                tags[tag.entry.d_tag].append(tag)
        notes = (note for segment in _segments(elf, "PT_NOTE") for note in segment.iter_notes())
        stack = [segment["p_flags"] & 1 for segment in _segments(elf, "PT_GNU_STACK")]
        return _common(
            _pyelftools_symbols(elf),
            _pyelftools_needs(elf),
            _pyelftools_definitions(elf),
            machine=elf["e_machine"],
            needed=tuple(tag.needed for tag in tags["DT_NEEDED"]),
            soname="".join(tag.soname for tag in tags["DT_SONAME"]),
            runpath=_split([tag.runpath for tag in tags["DT_RUNPATH"]] or [tag.rpath for tag in tags["DT_RPATH"]]),
            interpreter="".join(segment.get_interp_name() for segment in _segments(elf, "PT_INTERP")),
            build_id=next((note["n_desc"] for note in notes if note["n_type"] == "NT_GNU_BUILD_ID"), ""),
            exec_stack=bool(stack and stack[0]),
            alignment=min(segment["p_align"] for segment in _segments(elf, "PT_LOAD")),
        )


def _segments(elf: Any, kind: str) -> Iterator[Any]:
    return (segment for segment in elf.iter_segments() if segment["p_type"] == kind)


def _split(paths: list[str]) -> tuple[str, ...]:
    return tuple(entry for path in paths for entry in path.split(":"))


def _pyelftools_symbols(elf: Any) -> Iterator[_Symbol]:
    table, versions = elf.get_section_by_name(".dynsym"), elf.get_section_by_name(".gnu.version")
    if table is None:
        return
    indices = [index for (index,) in struct.iter_unpack("<H", versions.data())] if versions else None
    for number, symbol in enumerate(table.iter_symbols()):
        info = symbol["st_info"]
        version = indices[number] & ~_HIDDEN_VERSION if indices else 1
        undefined = symbol["st_shndx"] == "SHN_UNDEF"
        yield _Symbol(symbol.name, info["bind"], symbol["st_other"]["visibility"], undefined, version)


def _pyelftools_needs(elf: Any) -> dict[int, tuple[str, str, bool]]:
    section = elf.get_section_by_name(".gnu.version_r")
    if section is None:
        return {}
    return {
        aux["vna_other"] & ~_HIDDEN_VERSION: (library.name, aux.name, bool(aux["vna_flags"] & _WEAK_NEED))
        for library, auxiliaries in section.iter_versions()
        for aux in auxiliaries
    }


def _pyelftools_definitions(elf: Any) -> dict[int, str]:
    section = elf.get_section_by_name(".gnu.version_d")
    if section is None:
        return {}
    # The first auxiliary entry names the node; later ones are its predecessors.
    return {
        definition["vd_ndx"] & ~_HIDDEN_VERSION: next(auxiliaries).name
        for definition, auxiliaries in section.iter_versions()
        if not definition["vd_flags"] & _BASE_DEFINITION
    }


# ---- lief ----


def _lief_config() -> lief.ELF.ParserConfig:
    """Only what is asked for, as somebody would who is in a hurry."""
    config = lief.ELF.ParserConfig()
    config.parse_relocations = False
    config.parse_symtab_symbols = False
    config.parse_overlay = False
    return config


def by_lief(path: Path) -> Common:
    elf = lief.ELF.parse(str(path), _lief_config())
    assert elf is not None, path
    tag = lief.ELF.DynamicEntry.TAG
    entries: dict[Any, list[Any]] = defaultdict(list)
    for entry in elf.dynamic_entries:
        entries[entry.tag].append(entry)
    runpath = [each.runpath for each in entries[tag.RUNPATH]] or [each.rpath for each in entries[tag.RPATH]]
    stack = [each for each in elf.segments if each.type == lief.ELF.Segment.TYPE.GNU_STACK]
    return _common(
        _lief_symbols(elf),
        _lief_needs(elf),
        _lief_definitions(elf),
        machine=f"EM_{elf.header.machine_type.name}",
        needed=tuple(each.name for each in entries[tag.NEEDED]),
        soname="".join(each.name for each in entries[tag.SONAME]),
        runpath=_split(runpath),
        interpreter=elf.interpreter if elf.has_interpreter else "",
        build_id=next(
            (bytes(note.description).hex() for note in elf.notes if note.type == lief.ELF.Note.TYPE.GNU_BUILD_ID), ""
        ),
        exec_stack=bool(stack and int(stack[0].flags) & 1),
        alignment=min(each.alignment for each in elf.segments if each.type == lief.ELF.Segment.TYPE.LOAD),
    )


def _lief_symbols(elf: lief.ELF.Binary) -> Iterator[_Symbol]:
    for symbol in elf.dynamic_symbols:
        version = symbol.symbol_version.value & ~_HIDDEN_VERSION if symbol.symbol_version else 1
        yield _Symbol(
            str(symbol.name),
            f"STB_{symbol.binding.name}",
            _VISIBILITIES[symbol.other & 3],  # lief's own enumeration takes the bits of AAPCS64 for a part of it
            symbol.shndx == 0,
            version,
        )


def _lief_needs(elf: lief.ELF.Binary) -> dict[int, tuple[str, str, bool]]:
    return {
        aux.other & ~_HIDDEN_VERSION: (need.name, aux.name, bool(aux.flags & _WEAK_NEED))
        for need in elf.symbols_version_requirement
        for aux in need.get_auxiliary_symbols()
    }


def _lief_definitions(elf: lief.ELF.Binary) -> dict[int, str]:
    return {
        definition.ndx & ~_HIDDEN_VERSION: next(iter(definition.auxiliary_symbols)).name
        for definition in elf.symbols_version_definition
        if not definition.flags & _BASE_DEFINITION
    }
