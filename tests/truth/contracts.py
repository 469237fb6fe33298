"""A contract computed from a root's files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from edgebuild.elf import is_elf, read_elf
from edgebuild.model.contract import Contract, CpuSpec, Provided, PythonFacts
from edgebuild.model.elf import ElfFacts, VersionNode
from edgebuild.model.product import Sysroot

LOADER_FOLDERS = ("usr/lib/aarch64-linux-gnu", "usr/lib")


def contract_of(sysroot: Sysroot, python: str, cpu: CpuSpec, kernel: str) -> Provided:
    libraries, symbols = {}, {}
    for name, elf in _libraries(sysroot.root):
        libraries[name] = _highest(elf.defined_versions)
        symbols[name] = frozenset(elf.exported)
    digits = python.replace(".", "")
    contract = Contract(
        title=sysroot.name,
        arch="aarch64",
        cpu=cpu,
        libraries=libraries,
        page_size=4096,
        kernel=kernel,
        glibc=sysroot.glibc,
        pythons=(
            PythonFacts(version=python, soabi=f"cpython-{digits}-aarch64-linux-gnu", path=f"/usr/bin/python{python}"),
        ),
        programs=(f"/usr/bin/python{python}",),
    )
    return Provided(contract=contract, symbols=symbols)


def _libraries(root: Path) -> Iterator[tuple[str, ElfFacts]]:
    for folder in LOADER_FOLDERS:
        for path in sorted((root / folder).iterdir()):
            if ".so" in path.name and path.resolve().is_file() and is_elf(path.resolve()):
                yield path.name, read_elf(path.resolve())


def _highest(nodes: tuple[str, ...]) -> dict[str, str]:
    highest: dict[str, tuple[int, ...]] = defaultdict(tuple)
    for node in map(VersionNode.parse, nodes):
        highest[node.family] = max(highest[node.family], node.version)
    return {family: ".".join(map(str, version)) for family, version in highest.items() if version}
