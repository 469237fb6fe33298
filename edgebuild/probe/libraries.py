"""Which files of a box its loader finds, and what they say when they are read."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.elf import is_elf, read_elf
from edgebuild.elf.facts import provided_versions
from edgebuild.errors import AuditError
from edgebuild.model.arch import ARCHES, ArchName
from edgebuild.model.elf import ElfFacts
from edgebuild.probe.questions import LIBRARY_FOLDERS, LOADER_CONFIGURATION
from edgebuild.probe.view import Fetched, View

# The loader's own list of folders: texts that end in "/", one behind the other.
# Source: glibc, elf/dl-load.c, system_dirs.
_SYSTEM_FOLDERS = re.compile(rb"(?:/[A-Za-z0-9._+/-]*lib[A-Za-z0-9._+/-]*/\0){2,}")
_GLIBC = re.compile(rb"GNU C Library [^\n]*?release version (\d+\.\d+)")
_LIBC = "libc.so.6"
_LIBRARY = re.compile(r"[\w.+@~-]+\.so(\.[\w.+-]+)*")
_LOADER = re.compile(r"ld-(?:linux|musl)-(?P<arch>[\w-]+)\.so\.\d+")
_LOADER_ARCH: dict[str, ArchName] = {"aarch64": "aarch64", "x86-64": "x86_64", "x86_64": "x86_64"}
_FIRST = re.compile(
    r"ld-|libc\.|libc-|libm[.-]|libdl|libpthread|librt[.-]|libutil|libresolv|libgcc_s|libstdc\+\+|libatomic"
)


@dataclass
class Libraries:
    """What became of the libraries of a box.

    read: path of the file -> facts. seen: all that came, libraries or not.
    """

    arch: ArchName
    loader: str = ""  # path
    folders: tuple[str, ...] = ()
    glibc: str = ""
    read: dict[str, ElfFacts] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def find_loader(view: View) -> tuple[str, ArchName] | None:
    """The 64-bit loader of the box: its path and what it is for."""
    machine = view.facts.get("machine")
    found = [
        (posixpath.join(folder, name), _LOADER_ARCH[match["arch"]])
        for asked in LIBRARY_FOLDERS
        if (folder := view.real.get(asked))
        for name in sorted(view.entries[folder])
        if (match := _LOADER.fullmatch(name)) and match["arch"] in _LOADER_ARCH
    ]
    found.sort(key=lambda each: (each[1] != machine, "musl" in each[0]))
    return found[0] if found else None


def find_loaders(view: View, arch: ArchName) -> tuple[str, ...]:
    """Every path that leads to a loader of this machine: a program is started only if its own is among them."""
    return tuple(
        sorted(
            posixpath.join(folder, name)
            for folder in LIBRARY_FOLDERS
            for name in view.entries.get(view.real.get(folder, ""), ())
            if (match := _LOADER.fullmatch(name)) and _LOADER_ARCH.get(match["arch"]) == arch
        )
    )


def loader_folders(view: View, loader: bytes) -> tuple[str, ...]:
    """Real folders in which the box's loader looks, in its order. loader: the file's bytes.

    Those of ld.so.conf count through the cache that ldconfig made of them, so not without it.
    """
    own = [each.decode() for found in _SYSTEM_FOLDERS.findall(loader)[:1] for each in found.split(b"\0") if each]
    system = [posixpath.normpath(each) for each in own] or list(LIBRARY_FOLDERS)
    is_musl = b"musl" in loader and not own
    configured = [
        line.split()[0]
        for path, text in sorted(view.texts.items())
        if _is_configuration(path) and (view.facts.get("loader_cache") or "musl" in path)
        for line in text.replace(":", "\n").split("\n")
        if line.strip().startswith("/")
    ]
    if is_musl:
        system = configured or ["/lib", "/usr/local/lib", "/usr/lib"]  # musl, ldso/dynlink.c
    return tuple(dict.fromkeys(view.real[each] for each in (*configured, *system) if each in view.real))


def _is_configuration(path: str) -> bool:
    return any(re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), path) for pattern in LOADER_CONFIGURATION)


def group_names(view: View, folders: Iterable[str]) -> dict[str, list[str]]:
    """File -> names by which the loader finds it, for everything in its folders that is called like a library.

    The first folder that has a name wins.
    """
    names: dict[str, list[str]] = defaultdict(list)
    taken: set[str] = set()
    for folder in folders:
        for name in sorted(view.entries.get(folder, ())):
            if name not in taken and _LIBRARY.fullmatch(name):
                taken.add(name)
                names[view.file_behind(posixpath.join(folder, name))].append(name)
    return dict(names)


def reading_order(view: View, names: dict[str, list[str]], wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """First the loader, the C and C++ runtimes and `wanted` (library names); then the others, the biggest last."""
    first = [path for path, called in names.items() if any(map(_FIRST.match, called)) or {*wanted} & {*called}]

    def size_bytes(path: str) -> int:
        entry = view.entry(path)
        return entry.size_bytes if entry else 0

    return sorted(first), sorted(names.keys() - {*first}, key=lambda path: (size_bytes(path), path))


def read_library(found: Libraries, file: Fetched) -> None:
    """Facts of a file that was fetched. What is no whole library of this machine is none: linker scripts, damage."""
    found.seen.add(file.path)
    if not is_elf(file.place):
        return
    try:
        elf = read_elf(file.place, name=file.path.lstrip("/"))
    except AuditError:
        return
    if elf.machine != ARCHES[found.arch].elf_machine or elf.kind == "object":
        return
    found.read[file.path] = elf
    if elf.soname == _LIBC:
        found.glibc = glibc_version(file.place)


def glibc_version(path: Path) -> str:
    """As the C library says it of itself; "" for another maker's."""
    match = _GLIBC.search(path.read_bytes())
    return match[1].decode() if match else ""


def provided_libraries(
    found: Libraries, names: Mapping[str, list[str]]
) -> tuple[dict[str, dict[str, str]], dict[str, frozenset[str]]]:
    """Contract.libraries and the symbols of those that were read; of the others only the names are known."""
    libraries: dict[str, dict[str, str]] = {}
    symbols: dict[str, frozenset[str]] = {}
    for path, called in names.items():
        elf = found.read.get(path)
        if elf is None:
            if path not in found.seen:
                libraries.update({name: {} for name in _short(called, "")})
            continue
        for name in _short(called, elf.soname):
            libraries[name] = provided_versions(elf)
            if name == elf.soname or elf.soname not in called or not name.endswith(".so"):
                symbols[name] = exported_symbols(elf)
    return dict(sorted(libraries.items())), symbols


def exported_symbols(elf: ElfFacts) -> frozenset[str]:
    """As contracts list them. A version that no symbol has is "@GLIBC_2.4": the loader asks for it all the same."""
    used = {symbol.partition("@")[2] for symbol in elf.exported}
    return frozenset((*elf.exported, *(f"@{node}" for node in elf.defined_versions if node not in used)))


def _short(names: list[str], soname: str) -> list[str]:
    """Without the names that only the makers of links use ("libz.so.1.2.11", "libc-2.31.so").

    Others than the SONAME count: Debian's libbz2.so.1.0 is libbz2.so.1, too, as files of other distributions call it.
    """
    if soname and soname not in names:
        return names
    short = [name for name in names if re.search(r"\.so(\.\d+)?$", name) and not re.search(r"-[\d.]+\.so$", name)]
    return [name for name in names if name == soname or name in short] or names
