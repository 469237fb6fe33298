"""The box's container engine, and what its runtime lays into every image."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

import yaml

from edgebuild.elf.facts import highest_versions, provided_versions
from edgebuild.model.contract import EngineFacts, MountedFile, Packing
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.probe_rule import MountFormat, MountRule
from edgebuild.probe.questions import ENGINE_PACKAGES, PROGRAM_FOLDERS
from edgebuild.probe.view import View

EngineName = Literal["docker", "podman", "containerd"]
# Which program shows that an engine is there, the one that others are built on last.
_PROGRAMS: dict[EngineName, tuple[str, ...]] = {
    "docker": ("dockerd", "docker"),
    "podman": ("podman",),
    "containerd": ("containerd",),
}
# First versions that unpack zstd layers. Sources: moby 23.0 release notes; containers/image 3.0 (podman 1.6);
# containerd 1.5 release notes.
_ZSTD_SINCE: dict[EngineName, tuple[int, ...]] = {"docker": (23,), "podman": (1, 6), "containerd": (1, 5)}
_LIBRARY = re.compile(r".+\.so(\.[\w.+-]+)*")
_PLAIN_RUNTIMES = ("", "runc", "crun", "io.containerd.runc.v2")


def find_engine(view: View) -> EngineName | Literal["none"]:
    programs = {name for folder in program_folders(view) for name in view.entries.get(view.real[folder], ())}
    return next((name for name, signs in _PROGRAMS.items() if programs.intersection(signs)), "none")


def engine_facts(
    view: View, name: EngineName, folders: Iterable[str], mounts: tuple[MountedFile, ...] | None
) -> EngineFacts:
    version = _version(view, name)
    layers: tuple[Packing, ...] | None = None
    if version:
        layers = ("none", "gzip", "zstd") if parse_version(version) >= _ZSTD_SINCE[name] else ("none", "gzip")
    return EngineFacts(name=name, version=version, layers=layers, seccomp=_seccomp(view, folders), mounts=mounts)


def program_folders(view: View) -> list[str]:
    return [path for path in view.real if any(fnmatchcase(path, pattern) for pattern in PROGRAM_FOLDERS)]


def _version(view: View, name: EngineName) -> str | None:
    """As the engine says it, else its package."""
    for line in view.outputs.get(f"engine {name}", "").splitlines():
        # docker prints the version alone; an error of its own has other numbers in it
        if match := re.fullmatch(r"(?:\S+ version |containerd \S+ v?)?(\d+(?:\.\d+)+)\S*(?: \S+)*", line):
            return match[1]
    for package in ENGINE_PACKAGES[name]:
        if match := re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", view.packages.get(package, "")):
            return match[1]
    return None


def _seccomp(view: View, folders: Iterable[str]) -> str | None:
    names = (name for folder in folders for name in view.entries.get(folder, ()))
    versions = [match[1] for name in names if (match := re.fullmatch(r"libseccomp\.so\.(\d+\.\d+\.\d+)", name))]
    return versions[0] if versions else None


def mounted_paths(view: View, rules: Iterable[MountRule]) -> tuple[str, ...] | None:
    """Libraries, and "/folder/*.so*" patterns, that are laid into images; () for none, None where nobody can say.

    Only the box's own list says it: without one, another runtime than the plain one keeps it a secret.
    """
    texts = [
        (rule.format, text)
        for rule in rules
        for path, text in sorted(view.texts.items())
        if any(fnmatchcase(path, pattern) for pattern in rule.files)
    ]
    if texts:
        try:
            return tuple(dict.fromkeys(path for kind, text in texts for path in parse_mounts(kind, text)))
        except (ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
            return None
    daemon = view.texts.get("/etc/docker/daemon.json", "{}")
    try:
        runtime = json.loads(daemon or "{}").get("default-runtime", "")
    except (ValueError, AttributeError):
        return None
    return () if runtime in _PLAIN_RUNTIMES else None


def parse_mounts(kind: MountFormat, text: str) -> Iterator[str]:
    """Paths in the container. Raises ValueError, TypeError, KeyError, AttributeError, YAMLError for a strange file."""
    if kind == "cdi":
        yield from _cdi_paths(yaml.safe_load(text))
        return
    for line in text.splitlines():
        what, comma, path = (part.strip() for part in line.partition(","))
        if kind == "list":
            what, path = "lib", line.strip()
        elif not comma:
            continue
        if not path.startswith("/"):
            continue
        if what == "dir" or (kind == "list" and not posixpath.splitext(path)[1] and not _LIBRARY.fullmatch(path)):
            yield f"{path.rstrip('/')}/*.so*"
        elif what in ("lib", "sym") and _LIBRARY.fullmatch(path):
            yield path


def _cdi_paths(spec: Any) -> Iterator[str]:
    edits = [
        spec.get("containerEdits") or {},
        *(each.get("containerEdits") or {} for each in spec.get("devices") or ()),
    ]
    for edit in edits:
        for mount in edit.get("mounts") or ():
            path = str(mount["containerPath"])
            if _LIBRARY.fullmatch(path):
                yield path


def mounted_files(read: Mapping[str, ElfFacts]) -> tuple[MountedFile, ...]:
    return tuple(
        MountedFile(
            path=path,
            soname=elf.soname,
            needed=elf.needed,
            needs=highest_versions(elf),
            provides=provided_versions(elf),
        )
        for path, elf in sorted(read.items())
    )
