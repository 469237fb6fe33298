"""What follows from facts of ELF files, without looking at a file."""

from __future__ import annotations

from edgebuild.model.elf import ElfFacts, VersionNode


def highest_versions(elf: ElfFacts) -> dict[str, str]:
    """Highest version that a file needs, per node family: {"GLIBC": "2.17"}."""
    return _highest(node for nodes in elf.needed_versions.values() for node in nodes)


def provided_versions(elf: ElfFacts) -> dict[str, str]:
    """Highest version that a library defines, per node family, as contracts state it."""
    return _highest(elf.defined_versions)


def _highest(nodes: object) -> dict[str, str]:
    highest: dict[str, tuple[int, ...]] = {}
    for node in map(VersionNode.parse, nodes):  # type: ignore[call-overload]
        if node.version:
            highest[node.family] = max(node.version, highest.get(node.family, ()))
    return {family: ".".join(map(str, version)) for family, version in sorted(highest.items())}
