"""What the platform tags of wheels promise: a system of manylinux_2_N has glibc 2.N and at least these others.

Source: PEP 600, and the policies that auditwheel 6.8 applies; where aarch64 and x86_64 differ, the lower one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgebuild.model.elf import parse_version

PROFILES: dict[str, dict[str, str]] = {
    "2.17": {"GLIBCXX": "3.4.19", "CXXABI": "1.3.7", "GCC": "4.7.0"},
    "2.24": {"GLIBCXX": "3.4.22", "CXXABI": "1.3.10", "GCC": "4.7.0"},
    "2.26": {"GLIBCXX": "3.4.22", "CXXABI": "1.3.10", "GCC": "4.8.0"},
    "2.27": {"GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0"},
    "2.28": {"GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0"},
    "2.31": {"GLIBCXX": "3.4.28", "CXXABI": "1.3.12", "GCC": "7.0.0"},
    "2.34": {"GLIBCXX": "3.4.29", "CXXABI": "1.3.13", "GCC": "7.0.0"},
    "2.35": {"GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "11.0"},
    "2.36": {"GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "11.0"},
    "2.38": {"GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "11.0"},
    "2.39": {"GLIBCXX": "3.4.33", "CXXABI": "1.3.15", "GCC": "14.0.0"},
}
# What a foreign wheel is held to: the same, but where the architectures differ the higher one, because a tag that one
# of them may carry is not wrong. manylinux_2_17 on aarch64 grew to 2.18 there by a policy fix. 2.5 and 2.12: x86_64.
_GENEROUS: dict[str, dict[str, str]] = {
    "2.5": {"GLIBC": "2.5", "GLIBCXX": "3.4.8", "CXXABI": "1.3.1", "GCC": "4.2.0"},
    "2.12": {"GLIBC": "2.12", "GLIBCXX": "3.4.13", "CXXABI": "1.3.3", "GCC": "4.3.0"},
    "2.17": {"GLIBC": "2.18", "GLIBCXX": "3.4.19", "CXXABI": "1.3.7", "GCC": "4.8.0"},
    "2.24": {"GLIBC": "2.24", "GLIBCXX": "3.4.22", "CXXABI": "1.3.10", "GCC": "4.8.0"},
    "2.26": {"GLIBC": "2.26", "GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0"},
    "2.27": {"GLIBC": "2.27", "GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0"},
    "2.28": {"GLIBC": "2.28", "GLIBCXX": "3.4.25", "CXXABI": "1.3.11", "GCC": "7.0.0"},  # 3.4.25: Debian 10, RHEL 8
    "2.31": {"GLIBC": "2.31", "GLIBCXX": "3.4.28", "CXXABI": "1.3.12", "GCC": "7.0.0"},
    "2.34": {"GLIBC": "2.34", "GLIBCXX": "3.4.29", "CXXABI": "1.3.13", "GCC": "11.0"},
    "2.35": {"GLIBC": "2.35", "GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "12.0.0"},
    "2.39": {"GLIBC": "2.39", "GLIBCXX": "3.4.33", "CXXABI": "1.3.15", "GCC": "14.0.0"},
}
# Source: PEP 513, 571, 599, which PEP 600 made aliases.
LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
# Libraries that every manylinux system has and that we would use. Source: PEP 600 and the policies above.
SYSTEM_LIBRARIES = {
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
}
SYSTEM_FAMILIES = ("GLIBC", "GLIBCXX", "CXXABI", "GCC")
_PLATFORM = re.compile(
    r"(?:(?P<legacy>manylinux(?:1|2010|2014))|(?P<libc>manylinux|musllinux)_(?P<major>\d+)_(?P<minor>\d+)|linux)"
    r"_(?P<arch>[a-z]\w*)"
)


@dataclass(frozen=True)
class Platform:
    """A platform tag of Linux. libc: "" for plain "linux", which promises nothing; version: of that C library."""

    tag: str
    arch: str
    libc: str = ""
    version: str = ""

    @staticmethod
    def parse(tag: str) -> Platform | None:
        """None for "any" and for other systems."""
        match = _PLATFORM.fullmatch(tag)
        if match is None:
            return None
        if match["legacy"]:
            return Platform(tag, match["arch"], "glibc", LEGACY[match["legacy"]])
        libc = {"manylinux": "glibc", "musllinux": "musl", None: ""}[match["libc"]]
        return Platform(tag, match["arch"], libc, f"{match['major']}.{match['minor']}" if libc else "")

    @property
    def promise(self) -> dict[str, str]:
        """Highest node per family that a wheel with this tag may need; {} where nothing is promised.

        Between two known systems the next one's C++ runtime counts: whoever has the glibc may have it, too.
        """
        if self.libc != "glibc":
            return {}
        wanted = parse_version(self.version)
        known = list(_GENEROUS.items())
        versions = next((each for glibc, each in known if parse_version(glibc) >= wanted), known[-1][1])
        glibc = max(wanted, parse_version(_GENEROUS.get(self.version, {}).get("GLIBC", self.version)))
        return {**versions, "GLIBC": ".".join(map(str, glibc))}


def platforms_of(arch: str, glibc: tuple[int, ...]) -> list[str]:
    """Platform tags that pip takes on a system with this glibc. Source: PEP 600; packaging.tags does the same."""
    minors = range(glibc[1] if len(glibc) > 1 else 0, -1, -1)
    modern = [f"manylinux_{glibc[0]}_{minor}_{arch}" for minor in minors]
    legacy = [f"{name}_{arch}" for name, version in LEGACY.items() if parse_version(version) <= glibc]
    return [*modern, *legacy, f"linux_{arch}"]
