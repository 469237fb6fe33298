"""What an SDK's files tell of themselves: version, licences, folders of headers, libraries."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgebuild.digest import sha256_file
from edgebuild.elf.facts import provided_versions
from edgebuild.model.arch import Arch
from edgebuild.model.elf import ElfFacts
from edgebuild.model.sdk import SdkLibrary
from edgebuild.placing import printable

_LICENCE = re.compile(
    r"(?i)(?:.*[-_. ])?(?:licen[cs]es?|copying|copyright|eula|notices?|legal|third.?party.?(?:notices?|licen[cs]es?))"
    r"(?:[-_. ].*)?"
)
_NO_TEXT = re.compile(r"(?i).*\.(?:py|pyc|h|hpp|c|cc|cpp|so|a|o|js|sh|cmake|json|ya?ml)(?:\.[\d.]+)?")
_INCLUDE_NAMES = ("include", "inc", "headers")
_HEADERS = (".h", ".hpp", ".hh", ".hxx", ".cuh")
_VERSION = r"\d+(?:\.\d+)+"
_VERSION_FILES = ("version", "version.txt", "release", "buildinfo.txt")
_IN_NAME = re.compile(rf"(?:^|[-_ ])v?(?P<version>{_VERSION})", re.IGNORECASE)
_MACRO = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+\w*(?P<part>MAJOR|MINOR|PATCH)(?:_?VERSION)?[ \t]+(?P<number>\d+)\b", re.MULTILINE
)
# What -l finds; others are plug-ins and Python's modules. Names and folders go into build files, and a SONAME is
# whatever somebody has written into an ELF file: one that is a path, or CMake's code, is none.
_LIBRARY = re.compile(r"lib[A-Za-z0-9_.+@-]+\.so(?:\.[A-Za-z0-9_.+@-]+)?")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.+@/-]+")
_MAX_TEXT_BYTES = 1 << 20
_MAX_SAID_CHARS = 200
# Parts of a C or C++ runtime that SDKs carry for their own programs. A build has its toolchain's, a box its own.
_RUNTIME = re.compile(r"(?:lib(?:c|m|dl|rt|pthread|resolv|util|stdc\+\+|gcc_s|nsl)\.so(?:\.|$)|ld-linux|ld-\d).*")


def is_licence(name: str) -> bool:
    last = posixpath.basename(name)
    return bool(_LICENCE.fullmatch(last)) and not _NO_TEXT.fullmatch(last)


def tells_version(name: str) -> bool:
    """Whether sdk_version would look into it."""
    last = posixpath.basename(name).lower()
    return last in (*_VERSION_FILES, "version.json", "metadata") or last.endswith(".pc") or "version" in last


def licence_name(root: Path, files: Sequence[str]) -> str:
    """As a wheel's metadata calls it; "" where nothing does."""
    for fields in _metadata(root, files):
        for key in ("License-Expression", "License"):
            if (name := one_line(fields.get(key, ""))) and name.upper() not in ("UNKNOWN", "OTHER"):
                return name
    return ""


def sdk_title(root: Path, files: Sequence[str], source: str) -> str:
    """What its metadata calls it, else its file's name without version and endings."""
    names = {fields["Name"] for fields in _metadata(root, files) if fields.get("Name")}
    if len(names) == 1:
        return one_line(names.pop())
    last = posixpath.basename(source.rstrip("/"))
    return one_line(_IN_NAME.split(last)[0].split(".")[0] or last)


def sdk_version(root: Path, files: Sequence[str], sources: Sequence[str]) -> str:
    """From what states it most surely to what hints at it; "" where nothing does. sources: names of the archives."""
    nearest_first = sorted(files, key=lambda name: (name.count("/"), name))
    found: Iterable[str | None] = (
        version
        for look in (_of_version_json, _of_metadata, _of_file_names, _of_pkg_config, _of_version_file, _of_macros)
        for version in look(root, nearest_first, sources)
    )
    return next((said for version in found if version and (said := one_line(version))), "")


def include_folders(files: Iterable[str], arch: Arch) -> tuple[str, ...]:
    """Outermost folders called include, and the multiarch folder in one: compilers are given both."""
    folders: set[str] = set()
    for name in files:
        if posixpath.splitext(name)[1] not in _HEADERS:
            continue
        parts = name.split("/")
        if depth := next((depth for depth, part in enumerate(parts[:-1], 1) if part in _INCLUDE_NAMES), 0):
            folders.add("/".join(parts[:depth]))
            if parts[depth] == arch.triple:
                folders.add("/".join(parts[: depth + 1]))
    return tuple(sorted(folder for folder in folders if _PLAIN_PATH.fullmatch(folder)))


def libraries_of(root: Path, elves: Mapping[str, ElfFacts]) -> tuple[tuple[SdkLibrary, ...], list[str]]:
    """One of each name the loader may be asked for, and what is left out because another file has its name.

    Of several files for one name that one counts which is called so, then the first.
    """
    chosen: dict[str, SdkLibrary] = {}
    doubles: list[str] = []
    shared = [elf for elf in elves.values() if elf.kind == "shared" and _LIBRARY.fullmatch(_asked_for(elf))]
    for elf in sorted(shared, key=lambda elf: (posixpath.basename(elf.name) != elf.soname, elf.name)):
        library = SdkLibrary(
            path=elf.name,
            sha256=sha256_file(root / elf.name),
            soname=elf.soname,
            build_id=elf.build_id,
            needed=elf.needed,
            provides=provided_versions(elf),
        )
        if _RUNTIME.fullmatch(library.name):
            continue
        first = chosen.setdefault(library.name, library)
        if first.sha256 != library.sha256:
            doubles.append(f"{library.path} ({library.name} is {first.path})")
    return tuple(sorted(chosen.values(), key=lambda each: each.name)), doubles


def _asked_for(elf: ElfFacts) -> str:
    return elf.soname or posixpath.basename(elf.name)


def symbols_of(elf: ElfFacts) -> frozenset[str]:
    """As a list of a line each can hold them."""
    return frozenset(name for name in elf.exported if name.isprintable() and " " not in name)


def binaries_of(root: Path, files: Iterable[str], libraries: Iterable[SdkLibrary]) -> dict[str, str]:
    """sha256 of everything else that is no text."""
    known = {library.path for library in libraries}
    return {name: sha256_file(root / name) for name in files if name not in known and _is_binary(root / name)}


def one_line(text: str) -> str:
    """What a stranger has written, as records, build files and terminals can carry it."""
    return printable(" ".join(text.split()))[:_MAX_SAID_CHARS]


def read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" in file.read(8192)


# ---- Versions ----


def _of_version_json(root: Path, files: Sequence[str], _: Sequence[str]) -> Iterator[str]:
    for name in files:
        if posixpath.basename(name) == "version.json":
            try:
                document: Any = json.loads(read_text(root / name))
            except (ValueError, RecursionError):  # the second for one that is nested to no end
                continue
            entries = [document, *document.values()] if isinstance(document, dict) else []
            yield from (str(entry["version"]) for entry in entries if isinstance(entry, dict) and "version" in entry)


def _of_metadata(root: Path, files: Sequence[str], _: Sequence[str]) -> Iterator[str]:
    yield from (fields.get("Version", "") for fields in _metadata(root, files))


def _of_file_names(_: Path, __: Sequence[str], sources: Sequence[str]) -> Iterator[str]:
    for source in sources:
        if match := _IN_NAME.search(posixpath.basename(source)):
            yield match["version"]


def _of_pkg_config(root: Path, files: Sequence[str], _: Sequence[str]) -> Iterator[str]:
    """Where all agree: an SDK may carry libraries of others."""
    texts = (read_text(root / name) for name in files if name.endswith(".pc"))
    stated = {match[1] for text in texts if (match := re.search(rf"^Version:[ \t]*({_VERSION})", text, re.MULTILINE))}
    yield from stated if len(stated) == 1 else ()


def _of_version_file(root: Path, files: Sequence[str], _: Sequence[str]) -> Iterator[str]:
    for name in files:
        if posixpath.basename(name).lower() in _VERSION_FILES:
            yield from re.findall(_VERSION, read_text(root / name))[:1]


def _of_macros(root: Path, files: Sequence[str], _: Sequence[str]) -> Iterator[str]:
    for name in files:
        if name.endswith(_HEADERS) and "version" in posixpath.basename(name).lower():
            found = {match["part"]: match["number"] for match in _MACRO.finditer(read_text(root / name))}
            if {"MAJOR", "MINOR"} <= found.keys():
                yield ".".join(found[part] for part in ("MAJOR", "MINOR", "PATCH") if part in found)


def _metadata(root: Path, files: Sequence[str]) -> Iterator[dict[str, str]]:
    """Header fields of a wheel's METADATA; the first of a name counts."""
    for name in files:
        if name.endswith(".dist-info/METADATA"):
            head = read_text(root / name).split("\n\n")[0]
            pairs = [line.partition(": ") for line in head.splitlines() if not line.startswith(" ")]
            yield {key: value.strip() for key, _, value in reversed(pairs)}
