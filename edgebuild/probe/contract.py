"""A look at a box, and the files that it sent, become its contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from edgebuild.elf import is_elf, read_elf
from edgebuild.errors import AuditError, BoxError, NotAvailable
from edgebuild.log import Log
from edgebuild.model.arch import ARCHES, ArchName
from edgebuild.model.contract import Contract, EngineFacts, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.emulated_cpu import features_beyond
from edgebuild.model.probe_rule import ProbeRules
from edgebuild.probe import libraries as lib
from edgebuild.probe import software
from edgebuild.probe.cpu import read_cpu
from edgebuild.probe.engine import engine_facts, find_engine, mounted_files, mounted_paths
from edgebuild.probe.view import Fetched, Source, View

ALL_BYTES = 1 << 40
_SHELLS = ("/bin/sh", "/bin/busybox", "/usr/bin/env")


@dataclass
class _Reading:
    """Files as they come. names: file -> what it is called. mounts: patterns of what is laid into images."""

    found: lib.Libraries
    names: Mapping[str, list[str]]
    mounts: Sequence[str]
    rules: ProbeRules
    mounted: dict[str, ElfFacts] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def take(self, file: Fetched) -> None:
        if file.path in self.names:
            lib.read_library(self.found, file)
            self._search(file)
        if self.lays(file.path) and is_elf(file.place):
            try:
                self.mounted[file.path] = read_elf(file.place, name=file.path.lstrip("/"))
            except AuditError:
                return  # the runtime would lay it there, but nothing can load it

    def lays(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.mounts)

    def _search(self, file: Fetched) -> None:
        for rule in self.rules.versions:
            if rule.library in self.names[file.path] and rule.name not in self.versions:
                match = re.search(rule.regex.encode(), file.place.read_bytes())
                if match:
                    self.versions[rule.name] = match[1].decode("utf-8", "replace").strip()
                    self.sources[f"versions.{rule.name}"] = f"bytes of {file.path}"


def probe(source: Source, rules: ProbeRules, *, title: str, room_bytes: int, log: Log) -> Provided:
    """What a box provides: a look, then its libraries as far as they fit into `room_bytes`.

    title: "" for the system's own name. Raises BoxError, ConnectionLost for a live box; NotAvailable where nothing
    says what machine it is.
    """
    with log.step(f"Looking at {source.place}"):
        view = source.look(rules)
        found = _loader_of(source, view)
    names = lib.group_names(view, found.folders)
    mounts = mounted_paths(view, rules.mounts)
    reading = _Reading(found, names, mounts or (), rules)
    with log.step(f"Reading {len(names)} libraries") as step:
        first, rest = lib.reading_order(view, names, [rule.library for rule in rules.versions if rule.library])
        left = source.fetch(dict.fromkeys((*first, *(mounts or ()), *rest)), room_bytes, reading.take)
        step.note = f"{len(left)} of them too large" if left else ""
    if any(map(reading.lays, left)):
        mounts = None
    return _contract(source.word, view, reading, title, mounts)


def _loader_of(source: Source, view: View) -> lib.Libraries:
    """Raises BoxError, NotAvailable."""
    if (loader := lib.find_loader(view)) is None:
        return lib.Libraries(arch=_arch_without_loader(source, view))
    path, arch = loader
    content: list[bytes] = []
    source.fetch([path], ALL_BYTES, lambda file: content.append(file.place.read_bytes()))
    return lib.Libraries(arch=arch, loader=path, folders=lib.loader_folders(view, b"".join(content)))


def _arch_without_loader(source: Source, view: View) -> ArchName:
    """Of a system that is one static program. Raises BoxError for a machine that we do not build for."""
    machines: list[str] = []

    def take(file: Fetched) -> None:
        if is_elf(file.place):
            machines.append(read_elf(file.place).machine)

    source.fetch(_SHELLS, ALL_BYTES, take)
    for arch in ARCHES.values():
        if machines and machines[0] == arch.elf_machine:
            return arch.name
    if machines:
        msg = f"its programs are for {machines[0]}; contracts are for {', '.join(ARCHES)}"
        raise BoxError(msg, "a 32-bit userland on a 64-bit kernel is a 32-bit box." if "machine" in view.facts else "")
    msg = "neither a dynamic loader nor a shell is there, so nothing says which machine it is for"
    raise NotAvailable(msg, "is that the root of a system?")


def _contract(word: str, view: View, reading: _Reading, title: str, mounts: tuple[str, ...] | None) -> Provided:
    found = reading.found
    libraries, symbols = lib.provided_libraries(found, reading.names)
    cpu = read_cpu(view.texts.get("/proc/cpuinfo"), found.arch)
    engine: EngineFacts | Literal["none"] = "none"
    if (name := find_engine(view)) != "none":
        laid = None if mounts is None else mounted_files(reading.mounted)
        engine = engine_facts(view, name, found.folders, laid)
    space = software.free_space(view)
    long_name, short_name = software.os_name(view)
    sources: dict[str, str] = {"": word, **reading.sources}
    versions = dict(reading.versions)
    for rule in reading.rules.versions:
        if rule.name not in versions and (hit := software.find_version(rule, view)):
            versions[rule.name], sources[f"versions.{rule.name}"] = hit
    if short_name:
        versions["os"], sources["versions.os"] = short_name, "os-release"
    contract = Contract(
        title=title or _title(view, long_name, cpu.model),
        arch=found.arch,
        cpu=cpu,
        libraries=libraries,
        page_size=software.page_bytes(view.facts.get("page_size", "")),
        kernel=software.plain_version(view.facts.get("kernel", "")),
        glibc=found.glibc or None,
        pythons=software.find_pythons(view),
        programs=software.find_programs(view),
        loaders=lib.find_loaders(view, found.arch),
        engine=engine,
        free_bytes=space[1] if space else None,
        versions=dict(sorted(versions.items())),
    )
    sources.update(_sources(contract, reading, symbols, space[0] if space else ""))
    known = {key: f"{word}: {text}" if key else text for key, text in sources.items()}
    return Provided(msgspec.structs.replace(contract, sources=known), symbols)


def _title(view: View, long_name: str, cpu: str) -> str:
    board = view.texts.get("/proc/device-tree/model", "").strip("\n") or (cpu if cpu != "unknown" else "")
    return " on ".join(filter(None, (long_name or "Linux", board)))


def _sources(contract: Contract, reading: _Reading, symbols: Mapping[str, object], space: str) -> dict[str, str]:
    """Where each fact comes from, for those that are there."""
    folders = ", ".join(reading.found.folders) or "no dynamic loader"
    read = f"{len(reading.found.seen)} of {len(reading.names)} read"
    told = {
        "arch": reading.found.loader or "its programs",
        "libraries": f"files in {folders}; {read}"
        + ("" if len(reading.found.seen) == len(reading.names) else ", the others by name only"),
    }
    if symbols:
        told["symbols"] = "read from the same files"
    if contract.cpu.features is not None:
        told["cpu"] = "/proc/cpuinfo; features are those of all cores"
        beyond = features_beyond(contract.cpu.emulated_as, contract.cpu.features)
        chosen = "nearest lower CPU that qemu 7.2 has"
        told["cpu.emulated_as"] = chosen + (f"; has beyond the box: {' '.join(beyond)}" if beyond else "")
    else:
        told["cpu.emulated_as"] = "nobody could ask the CPU: the lowest one"
    facts = {
        "page_size": "getconf PAGESIZE or /proc/self/smaps",
        "kernel": "uname -r",
        "glibc": "text in the C library",
        "pythons": "names in program folders and of lib-dynload's modules",
        "programs": "names in program folders",
        "loaders": "names in library folders",
        "engine": "programs, its own answer or its package, libseccomp's name, lists of its runtime",
        "free_bytes": f"df of {space}, rounded down to a power of two",
    }
    return {**told, **{key: text for key, text in facts.items() if getattr(contract, key) is not None}}
