"""What a program finds inside a container: the image's own libraries, and what the box's engine lays in beside them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

import msgspec

from edgebuild.elf.facts import provided_versions
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, EngineFacts, MountedFile, Provided, PythonFacts
from edgebuild.model.contract_merge import lower_nodes
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.tree import OtherFile, TreeFacts

_PYTHON = re.compile(r"(?:usr/(?:local/)?|opt/[\w./-]+/)?bin/python(3\.\d+)")
_LIBPYTHON = re.compile(r"libpython(3\.\d+)m?\.so\.1\.0")
_MAX_LINKS = 40
_LIBC = "libc.so.6"


def contract_inside(tree: TreeFacts, provided: Provided) -> Provided:
    """The box's contract with the libraries, Pythons and programs that are in the image. The machine stays the box's.

    A library that the host lays in is there, too; where both have one, the host's hides the image's. What only some
    hosts of a fleet lay in is not there, but may hide.
    """
    box = provided.contract
    libraries = {name: provided_versions(elf) for name, elf in sorted(by_name(tree, box).items())}
    for mount in _mounts(box):
        for name in (posixpath.basename(mount.path), *([mount.soname] if mount.soname else [])):
            if ".so" in name and mount.everywhere:
                libraries[name] = dict(mount.provides)
            elif name in libraries:
                libraries[name] = lower_nodes(libraries[name], mount.provides)
    glibc = glibc_of_image(tree)
    inside = msgspec.structs.replace(
        box,
        title=f"image {tree.image.reference}" if tree.image and tree.image.reference else "the image",
        libraries=libraries,
        symbols="",
        glibc=".".join(map(str, glibc)) if glibc else None,
        pythons=_pythons(tree, box),
        programs=tuple(sorted(_programs(tree))),
        loaders=(),
        sources={},
    )
    symbols = {name: frozenset(elf.exported) for name, elf in by_name(tree, box).items() if name in libraries}
    for mount in _mounts(box):
        symbols.pop(mount.soname or posixpath.basename(mount.path), None)
    return Provided(contract=inside, symbols=symbols)


def of_box(tree: TreeFacts, contract: Contract) -> list[ElfFacts]:
    """Files of the box's own machine: an image may have others beside them, for emulators or firmware."""
    return [elf for elf in tree.elves if elf.machine == ARCHES[contract.arch].elf_machine and elf.bits == 64]


def by_name(tree: TreeFacts, contract: Contract) -> dict[str, ElfFacts]:
    """Libraries in the loader's own folders, by every name that it finds them by; an earlier folder hides a later."""
    environment = tree.image.ld_library_path if tree.image else ()
    folders = [folder.strip("/") for folder in environment] + list(tree.loader_path)
    order = {folder: number for number, folder in reversed(list(enumerate(folders)))}
    found: dict[str, tuple[int, ElfFacts]] = {}
    for elf in of_box(tree, contract):
        for path in (elf.name, *elf.also):
            folder, name = posixpath.split(path)
            place = order.get(tree.links.get(folder, folder))
            if place is not None and (name not in found or place < found[name][0]):
                found[name] = (place, elf)
    return {name: elf for name, (_, elf) in found.items()}


def glibc_of_image(tree: TreeFacts) -> tuple[int, ...] | None:
    """Its C library's highest node; libc.so.6 of 2.31 ends with 2.30, of 2.33 and later with its own number.

    None where there is no glibc: a static program, musl.
    """
    versions = [
        parse_version(nodes["GLIBC"])
        for elf in tree.elves
        if elf.soname == _LIBC and posixpath.dirname(elf.name) in tree.loader_path
        if "GLIBC" in (nodes := provided_versions(elf))
    ]
    return max(versions, default=None)


def find_program(tree: TreeFacts, folders: Sequence[str], program: str) -> ElfFacts | OtherFile | None:
    """The file that an engine would start for this word, links followed."""
    places = [program] if "/" in program else [posixpath.join(folder, program) for folder in folders]
    files = _files(tree)
    for place in places:
        if (name := _real(tree, place.strip("/"), files)) is not None:
            return files[name]
    return None


def _real(tree: TreeFacts, path: str, files: dict[str, ElfFacts | OtherFile]) -> str | None:
    path = posixpath.normpath(path)
    for _ in range(_MAX_LINKS):
        if path in files:
            return path
        link = next((each for each in _parents(path) if each in tree.links), None)
        if link is None:
            return None
        path = posixpath.normpath(posixpath.join(tree.links[link], posixpath.relpath(path, link)))
    return None


def _parents(path: str) -> Iterator[str]:
    """The path itself, then its folders, outwards."""
    while path and path != ".":
        yield path
        path = posixpath.dirname(path)


def _files(tree: TreeFacts) -> dict[str, ElfFacts | OtherFile]:
    files: dict[str, ElfFacts | OtherFile] = {other.name: other for other in tree.others if other.kind != "link"}
    files.update((elf.name, elf) for elf in tree.elves)
    return files


def _mounts(contract: Contract) -> tuple[MountedFile, ...]:
    return contract.engine.mounts or () if isinstance(contract.engine, EngineFacts) else ()


def _pythons(tree: TreeFacts, contract: Contract) -> tuple[PythonFacts, ...]:
    triple = ARCHES[contract.arch].triple
    minors: dict[str, str] = {}
    for elf in of_box(tree, contract):
        match = _PYTHON.fullmatch(elf.name) or _LIBPYTHON.fullmatch(posixpath.basename(elf.name))
        if match:
            minors.setdefault(match[1], f"/{elf.name}")
    return tuple(
        PythonFacts(version=minor, soabi=f"cpython-{minor.replace('.', '')}-{triple}", path=path)
        for minor, path in sorted(minors.items(), key=lambda each: parse_version(each[0]))
    )


def _programs(tree: TreeFacts) -> set[str]:
    """Absolute paths, under every name that a script may use: with /bin a link to usr/bin, /bin/sh is one, too."""
    files = _files(tree)
    names = {name for name, file in files.items() if file.executable}
    names |= {link for link, target in tree.links.items() if target in names}
    for link, target in tree.links.items():
        if posixpath.basename(link) in ("bin", "sbin"):
            names |= {
                posixpath.join(link, posixpath.relpath(name, target)) for name in list(names) if _is_in(name, target)
            }
    return {f"/{name}" for name in names}


def _is_in(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")
