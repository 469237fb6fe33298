"""What the dynamic loader would do with a tree: which files it opens, where it looks, what it does not find.

A simulation of glibc's ld.so, breadth first, once for every file that something starts or opens by itself. Source:
glibc, elf/dl-load.c (_dl_map_object, fillin_rpath) and elf/dl-deps.c; the verdicts are compared with what the real
loader does in tests/e2e/test_truth.py.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from edgebuild.audit.cxx import CxxSymbols
from edgebuild.model.arch import ARCHES, Arch
from edgebuild.model.contract import Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.tree import TreeFacts

_MUSL_LOADER = "ld-musl-"
# Names that musl's loader answers to itself. Source: musl, ldso/dynlink.c, load_library, `reserved`.
_MUSL_ITSELF = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")
_MAX_LINKS = 40  # as the kernel follows


@dataclass(frozen=True)
class Missing:
    """A library that `needed_by` asks for and that is nowhere where the loader looks.

    instead: what it finds there and ends with: a program, or an object file.
    """

    library: str
    needed_by: ElfFacts
    instead: ElfFacts | None = None


@dataclass(frozen=True)
class Opened:
    """A file of the tree in a process. path: as the loader opened it, links and all, which $ORIGIN goes by."""

    elf: ElfFacts
    path: str


@dataclass
class Process:
    """What is in memory once `root` was started or opened. names: what the loader knows each loaded file by.

    bundled: in the order of loading. box: libraries of the contract that were asked for.
    """

    root: ElfFacts
    bundled: list[ElfFacts] = field(default_factory=list)
    box: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    names: dict[str, ElfFacts] = field(default_factory=dict)

    @property
    def starts(self) -> bool:
        """A program; otherwise somebody's dlopen or import."""
        return self.root.kind == "executable"

    @property
    def is_musl(self) -> bool:
        """Linked for musl, whose loader is the C library as well."""
        return posixpath.basename(self.root.interpreter).startswith(_MUSL_LOADER) or any(
            name == "libc.so" or name.startswith("libc.musl-") for name in self.root.needed
        )


class Loader:
    """One tree on one box."""

    def __init__(self, tree: TreeFacts, provided: Provided) -> None:
        self.tree = tree
        self.provided = provided
        self._by_path = {path: elf for elf in tree.elves for path in (elf.name, *elf.also)}

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        """One for every program, one for every library that no other file brings in, so that each file is in some."""
        loadable = [elf for elf in self.tree.elves if elf.kind != "object"]
        wanted = {name for elf in loadable for name in elf.needed}
        first = [elf for elf in loadable if elf.kind == "executable" or not wanted & set(file_names(elf))]
        processes: list[Process] = []
        seen: set[str] = set()
        for elf in (*first, *loadable):
            if elf.name not in seen:
                processes.append(self.load(elf))
                seen.update(each.name for each in processes[-1].bundled)
        return tuple(processes)

    @cached_property
    def exported(self) -> tuple[frozenset[str], ...]:
        """Symbols that each file of the tree has, with and without versions."""
        return tuple(exported_names(elf.exported) for elf in self.tree.elves)

    @cached_property
    def by_file_name(self) -> dict[str, ElfFacts]:
        """Every name by which a file could be asked for, wherever it lies; of several the first."""
        return {name: elf for elf in reversed(self.tree.elves) for name in file_names(elf)}

    @cached_property
    def cxx(self) -> CxxSymbols:
        """C++ functions of the tree's files and of the box's libraries."""
        return CxxSymbols([*((elf.name, elf.exported) for elf in self.tree.elves), *self.provided.symbols.items()])

    @cached_property
    def _musl_loader(self) -> str | None:
        return next((name for name in self.provided.contract.libraries if name.startswith(_MUSL_LOADER)), None)

    def load(self, root: ElfFacts) -> Process:
        process = Process(root, [root])
        if root.soname:
            process.names[root.soname] = root
        queue: list[tuple[Opened, tuple[Opened, ...]]] = [(Opened(root, root.name), ())]
        for file, parents in queue:  # grows while we walk it: breadth first
            elf = file.elf
            for library in elf.needed:
                if library in process.names or library in process.box:
                    continue
                if opened := self.find(library, file, parents):
                    found = opened.elf
                    if found.kind != "shared" and found is not root:
                        process.missing.append(Missing(library, elf, found))
                        continue
                    process.names[library] = found
                    if found not in process.bundled:
                        process.bundled.append(found)
                        process.names.setdefault(found.soname or library, found)
                        queue.append((opened, (*parents, file)))
                elif library in self.provided.contract.libraries:
                    process.box.append(library)
                elif process.is_musl and _MUSL_ITSELF.match(library) and (loader := self._musl_loader):
                    if loader not in process.box:
                        process.box.append(loader)
                else:
                    process.missing.append(Missing(library, elf))
        return process

    def find(self, library: str, needed_by: Opened, parents: Sequence[Opened] = ()) -> Opened | None:
        """The file of the tree that the loader opens. One of another machine is passed over, as the loader does."""
        if "/" in library:
            found = self.at(library) if self.tree.system else None
            return Opened(found, library.lstrip("/")) if found else None
        machine = needed_by.elf.machine, needed_by.elf.bits
        for folder in self._folders(needed_by, parents):
            path = posixpath.join(folder, library)
            found = self.at(path)
            if found and (found.machine, found.bits) == machine:
                return Opened(found, path)
        return None

    def _folders(self, file: Opened, parents: Sequence[Opened]) -> Iterator[str]:
        """Where it looks, in order, as far as that is in the tree."""
        elf = file.elf
        if not elf.runpath or elf.is_rpath:
            for each in (file, *reversed(parents)):
                if each.elf.is_rpath:
                    yield from self.search_path(each)
        yield from self._environment
        if not elf.is_rpath:
            yield from self.search_path(file)
        yield from self.tree.loader_path

    @cached_property
    def _environment(self) -> tuple[str, ...]:
        image = self.tree.image
        return tuple(folder.lstrip("/") for folder in image.ld_library_path) if image else ()

    def search_path(self, file: Opened) -> Iterator[str]:
        folder, name = posixpath.split(file.path)
        path = posixpath.join(self._real(folder), name)
        for entry in file.elf.runpath:
            for each in _expand(entry, ARCHES[self.provided.contract.arch]):
                place = inside_tree(each, path, system=self.tree.system)
                if place is not None:
                    yield place

    def at(self, path: str) -> ElfFacts | None:
        """The file that a path in the tree means, through links to folders, too."""
        path = posixpath.normpath(path.lstrip("/"))
        return self._by_path.get(path) or self._by_path.get(self._real(path))

    def _real(self, path: str) -> str:
        """The path without links that lead to folders of the tree."""
        for _ in range(_MAX_LINKS):
            link = next((each for each in _parents(path) if each in self.tree.links), None)
            if link is None:
                break
            path = posixpath.normpath(posixpath.join(self.tree.links[link], posixpath.relpath(path, link)))
        return path


@lru_cache(maxsize=4096)
def exported_names(exported: tuple[str, ...]) -> frozenset[str]:
    """With and without versions: an unversioned reference takes any."""
    return frozenset(exported) | {symbol.partition("@")[0] for symbol in exported}


def inside_tree(entry: str, path: str, *, system: bool = False) -> str | None:
    """Folder below the tree that a RUNPATH entry of the file at `path` means; None if it lies elsewhere.

    system: the tree is a whole root, so an absolute folder lies in it.
    """
    for origin in ("$ORIGIN", "${ORIGIN}"):
        if entry == origin or entry.startswith(f"{origin}/"):
            folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), f".{entry.removeprefix(origin)}"))
            if folder == ".." or folder.startswith("../"):
                return None if not system else folder.lstrip("./")
            return folder
    return posixpath.normpath(entry).lstrip("/") if system and entry.startswith("/") else None


def _expand(entry: str, arch: Arch) -> Iterator[str]:
    """Its $PLATFORM and $LIB filled in. What $LIB is, each distribution decides when it builds glibc."""
    entry = entry.replace("${LIB}", "$LIB").replace("${PLATFORM}", "$PLATFORM").replace("$PLATFORM", arch.name)
    if "$LIB" not in entry:
        yield entry
        return
    for folder in (f"lib/{arch.triple}", "lib64", "lib"):
        yield entry.replace("$LIB", folder)


def file_names(elf: ElfFacts) -> tuple[str, ...]:
    """Every name by which another file may ask for this one."""
    return tuple({posixpath.basename(path) for path in (elf.name, *elf.also)} | ({elf.soname} if elf.soname else set()))


def _parents(path: str) -> Iterator[str]:
    """The path itself, then its folders, outwards."""
    while path and path != ".":
        yield path
        path = posixpath.dirname(path)
