"""Names of wheels and modules, computed from the target and from what the ELF files inside need."""

from __future__ import annotations

from collections.abc import Sequence

from edgebuild.elf import highest_versions
from edgebuild.errors import VerificationError
from edgebuild.model.arch import Arch
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.manylinux import PROFILES, SYSTEM_FAMILIES, SYSTEM_LIBRARIES
from edgebuild.model.target import PythonSpec


def soabi(python: PythonSpec, arch: Arch) -> str:
    """ "cpython-39-aarch64-linux-gnu". CPython 3.7 and earlier carry "m" (pymalloc) in it."""
    return f"cpython-{abi_tag(python).removeprefix('cp')}-{arch.triple}"


def abi_tag(python: PythonSpec) -> str:
    """ "cp39"."""
    old = parse_version(python.version) < (3, 8)
    return f"{python.tag}m" if old else python.tag


def wheel_tag(python: PythonSpec, arch: Arch, elves: Sequence[ElfFacts]) -> str:
    """ "cp39-cp39-manylinux_2_28_aarch64", for a wheel with these ELF files in it."""
    return f"{python.tag}-{abi_tag(python)}-{platform_tag(elves, arch)}"


def platform_tag(elves: Sequence[ElfFacts], arch: Arch) -> str:
    """The oldest manylinux platform that loads all of these. Raises VerificationError if none does."""
    _require_self_contained(elves, arch)
    for glibc, provided in PROFILES.items():
        if not _beyond(elves, {"GLIBC": glibc, **provided}):
            return f"manylinux_{glibc.replace('.', '_')}_{arch.name}"
    newest, provided = list(PROFILES.items())[-1]
    beyond = ", ".join(_beyond(elves, {"GLIBC": newest, **provided}))
    msg = f"no manylinux platform up to glibc {newest} loads what is in the wheel: {beyond}"
    raise VerificationError(msg, "link for a lower glibc.")


def _beyond(elves: Sequence[ElfFacts], provided: dict[str, str]) -> list[str]:
    """What is needed above the versions provided: "libx.so needs GLIBC_2.38"."""
    return [
        f"{elf.name} needs {family}_{version}"
        for elf in elves
        for family, version in highest_versions(elf).items()
        if family in SYSTEM_FAMILIES and parse_version(version) > parse_version(provided[family])
    ]


def _require_self_contained(elves: Sequence[ElfFacts], arch: Arch) -> None:
    """What is not on every manylinux system must be in the wheel itself."""
    bundled = {name.rpartition("/")[2] for elf in elves for name in (elf.name, *elf.also)}
    for elf in elves:
        if foreign := [name for name in elf.needed if name not in {*bundled, *SYSTEM_LIBRARIES, arch.loader}]:
            msg = f"{elf.name}: needs {', '.join(foreign)}, which neither the wheel nor every manylinux system has"
            raise VerificationError(msg, "bundle it in the wheel, or link it statically.")
