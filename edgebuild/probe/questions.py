"""What is asked of every box, and how the question reads as a shell's program."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from edgebuild.model.arch import ARCHES
from edgebuild.model.probe_rule import ProbeRules

TRIPLES = tuple(arch.triple for arch in ARCHES.values())
# Where the loaders of common distributions look by themselves; which of these the box's own does, it says itself.
LIBRARY_FOLDERS = (
    *(f"/lib/{triple}" for triple in TRIPLES),
    *(f"/usr/lib/{triple}" for triple in TRIPLES),
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
)
LOADER_CONFIGURATION = ("/etc/ld.so.conf", "/etc/ld.so.conf.d/*.conf", "/etc/ld-musl-*.path")
PROGRAM_FOLDERS = (
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/*/bin",
)
PYTHON_FOLDERS = tuple(f"{prefix}/lib/python3*/lib-dynload" for prefix in ("/usr", "/usr/local", "/opt/*"))
TEXTS = (
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/docker/daemon.json",
    "/proc/cpuinfo",
    "/proc/device-tree/model",
    *LOADER_CONFIGURATION,
)
# The first is where `edgebuild deploy` puts applications unless it is told otherwise.
SPACE_FOLDERS = ("/var/lib", "/opt", "/data", "/home", "/")
ENGINE_COMMANDS = {
    "docker": "docker version -f {{.Server.Version}}",
    "podman": "podman --version",
    "containerd": "containerd --version",
}
ENGINE_PACKAGES = {
    "docker": ("docker-ce", "docker.io", "moby-engine"),
    "podman": ("podman",),
    "containerd": ("containerd.io", "containerd"),
}
_HERE = Path(__file__).parent


def texts_of(rules: ProbeRules) -> tuple[str, ...]:
    files = [*(rule.files for rule in rules.versions), *(rule.files for rule in rules.mounts)]
    return tuple(dict.fromkeys((*TEXTS, *(path for each in files for path in each))))


def packages_of(rules: ProbeRules) -> tuple[str, ...]:
    engines = [package for packages in ENGINE_PACKAGES.values() for package in packages]
    return tuple(dict.fromkeys((*engines, *(rule.package for rule in rules.versions if rule.package))))


def commands_of(rules: ProbeRules) -> dict[str, str]:
    """Name of the answer -> command."""
    asked = {rule.command: rule.command for rule in rules.versions if rule.command}
    return {**{f"engine {name}": command for name, command in ENGINE_COMMANDS.items()}, **asked}


def render_questions(rules: ProbeRules) -> bytes:
    """The program that looks at a box, all of it in one round trip. Patterns are the box's shell's to expand."""
    lines = [
        "list " + " ".join((*LIBRARY_FOLDERS, *PROGRAM_FOLDERS, *PYTHON_FOLDERS)),
        "loader_folders " + " ".join(LOADER_CONFIGURATION),
        "text " + " ".join(texts_of(rules)),
        "package " + " ".join(packages_of(rules)),
        *(f"output {shlex.quote(name)} {_quoted(command)}" for name, command in commands_of(rules).items()),
        "free " + " ".join(SPACE_FOLDERS),
        "say complete yes",
    ]
    return _part("facts.sh") + "\n".join(lines).encode() + b"\n"


def render_fetch(patterns: Iterable[str], room_bytes: int) -> bytes:
    """The program that sends files."""
    lines = [f"room_kb={room_bytes // 1024}", *(f"send {_pattern(each)}" for each in patterns), "echo complete=0 -"]
    return _part("files.sh") + "\n".join(lines).encode() + b"\n"


def _quoted(command: str) -> str:
    return " ".join(map(shlex.quote, command.split()))


def _pattern(path: str) -> str:
    """Quoted but for the stars."""
    return "*".join(shlex.quote(part) if part else "" for part in path.split("*"))


@cache
def _part(name: str) -> bytes:
    return (_HERE / name).read_bytes()
