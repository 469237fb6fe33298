"""Machine architectures: the one table of their names in everybody's dialect."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

from edgebuild.errors import NotAvailable

ArchName = Literal["aarch64", "x86_64"]


@dataclass(frozen=True)
class Arch:
    """name: as in `uname -m`; the others as ELF, Debian, GNU, Conan and qemu spell it."""

    name: ArchName
    elf_machine: str  # pyelftools' and elf.h's name
    debian: str
    triple: str
    conan: str
    loader: str  # SONAME of the dynamic loader
    interpreter: str  # where the ABI puts it, on whatever distribution
    qemu: str  # user-mode emulator, static


ARCHES: dict[str, Arch] = {
    "aarch64": Arch(
        "aarch64",
        "EM_AARCH64",
        "arm64",
        "aarch64-linux-gnu",
        "armv8",
        "ld-linux-aarch64.so.1",
        "/lib/ld-linux-aarch64.so.1",
        "qemu-aarch64-static",
    ),
    "x86_64": Arch(
        "x86_64",
        "EM_X86_64",
        "amd64",
        "x86_64-linux-gnu",
        "x86_64",
        "ld-linux-x86-64.so.2",
        "/lib64/ld-linux-x86-64.so.2",
        "qemu-x86_64-static",
    ),
}


def host_arch() -> Arch:
    """The machine edgebuild runs on."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
    if machine not in ARCHES:
        msg = f"this machine is {machine}; edgebuild builds on {', '.join(ARCHES)}"
        raise NotAvailable(msg)
    return ARCHES[machine]
