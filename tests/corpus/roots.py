"""The contract of a root folder, read by pyelftools: what the sound half is judged against is no word of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection

from edgebuild.digest import digest_of, sha256_file
from edgebuild.workspace import Workspace
from tests.corpus.shop import root

_FOLDERS = ("usr/lib/aarch64-linux-gnu", "usr/lib")
_PROGRAM_FOLDERS = ("usr/bin", "usr/sbin")
_NODE = re.compile(r"^(?P<family>.+)_(?P<version>\d+(\.\d+)*)$")
_BASE = 1  # index of the node that is the library itself
_HIDDEN = 0x8000
# What no file of a root says. A Cortex-A72 without the cryptography extension, so that everything beyond Armv8.0-A has
# to be dispatched.
_BOX: dict[str, Any] = {
    "arch": "aarch64",
    "cpu": {"model": "cortex-a72", "emulated_as": "cortex-a72", "features": ["fp", "asimd", "crc32", "cpuid"]},
    "page_size": 4096,
    "engine": "none",
    "free_bytes": 20_000_000_000,
}
_FACTS: dict[str, dict[str, Any]] = {
    "debian-11-arm64": {"glibc": "2.31", "kernel": "5.10", "pythons": ["3.9"]},
    "debian-12-tools": {"glibc": "2.36", "kernel": "6.1", "pythons": ["3.11"]},
}


def provide_contract(name: str, ws: Workspace) -> Path:
    """The contract file, with its `.symbols` beside it."""
    place = root(ws, name)

    def make(folder: Path) -> None:
        libraries = dict(read_libraries(place))
        symbols = "".join(
            f"[{soname}]\n" + "".join(f"{s}\n" for s in sorted(libraries[soname][1])) for soname in sorted(libraries)
        )
        (folder / f"{name}.symbols").write_text(symbols)
        document = describe(name, {soname: nodes for soname, (nodes, _) in libraries.items()}, place)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    key = digest_of([place.name, sha256_file(Path(__file__))])
    return ws.provide("corpus", f"contract-{name}", key, make, f"Reading the contract of {name}") / f"{name}.yaml"


def describe(name: str, libraries: dict[str, dict[str, str]], place: Path) -> dict[str, Any]:
    facts = _FACTS[name]
    tag = "cpython-{}-aarch64-linux-gnu"
    pythons = [
        {"version": version, "soabi": tag.format(version.replace(".", "")), "path": f"/usr/bin/python{version}"}
        for version in facts["pythons"]
    ]
    programs = [f"/{folder}/{path.name}" for folder in _PROGRAM_FOLDERS for path in sorted((place / folder).iterdir())]
    programs += [program.removeprefix("/usr") for program in programs]  # /bin is a link to /usr/bin
    return {
        "title": name,
        **_BOX,
        "libraries": libraries,
        "symbols": f"{name}.symbols",
        **facts,
        "pythons": pythons,
        "programs": [*programs, "/usr/bin/python3", "/bin/sh", "/usr/bin/perl"],
    }


def read_libraries(place: Path) -> Iterator[tuple[str, tuple[dict[str, str], set[str]]]]:
    """(SONAME, (highest version per family, exported symbols)) of every library in the loader's folders."""
    seen = set()
    for folder in _FOLDERS:
        for path in sorted((place / folder).glob("*.so*")):
            if path.is_symlink() or not path.is_file():
                continue
            try:
                with path.open("rb") as file:
                    soname, nodes, symbols = _read(ELFFile(file))
            except ELFError:
                continue  # a linker script
            if (soname := soname or path.name) not in seen:
                seen.add(soname)
                yield soname, (nodes, symbols)


def _read(elf: Any) -> tuple[str, dict[str, str], set[str]]:
    sections = list(elf.iter_sections())
    names = {}
    for section in sections:
        if isinstance(section, GNUVerDefSection):
            for definition, names_of in section.iter_versions():
                names[definition["vd_ndx"]] = next(names_of).name
    highest: dict[str, str] = {}
    for index, name in names.items():
        if index != _BASE and (match := _NODE.match(name)):
            family, version = match["family"], match["version"]
            highest[family] = max(highest.get(family, "0"), version, key=_numbers)
    versions = next((section for section in sections if isinstance(section, GNUVerSymSection)), None)
    table = next(s for s in sections if isinstance(s, SymbolTableSection) and s.name == ".dynsym")
    symbols = set()
    for position, symbol in enumerate(table.iter_symbols()):
        if symbol["st_shndx"] == "SHN_UNDEF" or symbol["st_info"]["bind"] == "STB_LOCAL" or not symbol.name:
            continue
        index = versions.get_symbol(position)["ndx"] if versions else _BASE
        node = names.get(index & ~_HIDDEN, "") if isinstance(index, int) and index & ~_HIDDEN != _BASE else ""
        symbols.add(f"{symbol.name}@{node}" if node else symbol.name)
    dynamic = elf.get_section_by_name(".dynamic")
    soname = next((tag.soname for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_SONAME"), "")
    return soname, highest, symbols


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
