"""Python extension modules in a tree, and the interpreters that would import them."""

from __future__ import annotations

import bisect
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgebuild.audit.symbols import is_python_module
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, PythonFacts
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.tree import TreeFacts

# PEP 3149. "abi3t" is the stable ABI of free-threaded builds.
_SUFFIX = re.compile(r"\.(?P<soabi>cpython-\d+[a-z]*(?:-[\w-]+)?|abi3t?)\.so(?:\.\d+)*$")
_SOABI = re.compile(r"cpython-(?P<major>\d)(?P<minor>\d+)(?P<flags>[a-z]*)(?:-(?P<triple>[\w-]+))?")
_INTERPRETER = re.compile(r"(?:^|/)bin/python(?P<version>3\.\d+)(?P<flags>t?)$")
_LIBRARY = re.compile(r"(?:^|/)libpython(?P<version>3\.\d+)(?P<flags>t?)m?\.so\b")
_PYTHON_SYMBOL = re.compile(r"_?Py(?!Init_)(?:_|[A-Z])\w+")


@dataclass(frozen=True)
class Module:
    """soabi: from the file's name: "cpython-39-aarch64-linux-gnu", "abi3", or "" where the name says nothing."""

    elf: ElfFacts
    soabi: str

    @property
    def import_name(self) -> str:
        """Path without the suffix: files that share it are one module for several Pythons."""
        name = self.elf.name
        return name[: name.rfind(f".{self.soabi}.so")] if self.soabi else name.removesuffix(".so")

    @property
    def import_names(self) -> tuple[str, ...]:
        """Without packages, the file's own first; links to it may be others."""
        paths = (self.elf.name, *self.elf.also)
        return tuple(dict.fromkeys(posixpath.basename(path).partition(".")[0] for path in paths))

    @property
    def starts(self) -> frozenset[str]:
        """Names of the modules that it has a start function for, "" for one beyond ASCII."""
        inits = (symbol for symbol in exported_python(self.elf) if symbol.startswith("PyInit"))
        return frozenset("" if each.startswith("PyInitU_") else each.removeprefix("PyInit_") for each in inits)

    @property
    def is_abi3(self) -> bool:
        return self.soabi.startswith("abi3")

    @property
    def minor(self) -> str:
        """ "3.9"; "" where the name says nothing, or abi3."""
        match = _SOABI.fullmatch(self.soabi)
        return f"{match['major']}.{match['minor']}" if match else ""

    @property
    def triple(self) -> str:
        match = _SOABI.fullmatch(self.soabi)
        return (match["triple"] or "") if match else ""


def modules_of(tree: TreeFacts) -> tuple[Module, ...]:
    """By suffix, or because it exports PyInit_NAME."""
    found = []
    for elf in tree.elves:
        match = _SUFFIX.search(elf.name)
        if elf.kind == "shared" and (match or is_python_module(elf)):
            found.append(Module(elf, match["soabi"] if match else ""))
    return tuple(found)


def groups_of(modules: Sequence[Module]) -> tuple[tuple[Module, ...], ...]:
    """Files that are one module for several Pythons, together."""
    groups: dict[str, list[Module]] = defaultdict(list)
    for module in modules:
        groups[module.import_name].append(module)
    return tuple(map(tuple, groups.values()))


def pythons_of(tree: TreeFacts, contract: Contract) -> tuple[PythonFacts, ...] | None:
    """Interpreters that would import what is in the tree: its own where it has any, else the box's.

    An image has none but its own. None: nobody knows.
    """
    own = {(each.version, each.soabi): each for each in _own_pythons(tree, contract)}
    if own or tree.image:
        return tuple(own.values())
    return contract.pythons


def _own_pythons(tree: TreeFacts, contract: Contract) -> Iterator[PythonFacts]:
    """bin/python3.9, whatever the folder above it, or the library of a program that embeds Python."""
    names = [name for elf in tree.elves for name in (elf.name, *elf.also, elf.soname)]
    for name in (*names, *tree.links):
        if match := _INTERPRETER.search(name) or _LIBRARY.search(name):
            tag = match["version"].replace(".", "")
            soabi = f"cpython-{tag}t-{ARCHES[contract.arch].triple}" if match["flags"] else ""
            yield PythonFacts(version=match["version"], soabi=soabi, path=f"/{name}")


def abi_of(python: PythonFacts) -> str:
    """ABI tag of its wheels: "cp39"; "cp37m", "cp313t"."""
    if match := _SOABI.fullmatch(python.soabi):
        return f"cp{match['major']}{match['minor']}{match['flags']}"
    old = parse_version(python.version) < (3, 8)  # pymalloc was an option until 3.8
    return f"cp{python.version.replace('.', '')}{'m' if old else ''}"


def imports(python: PythonFacts, module: Module, contract: Contract) -> bool:
    """Whether this interpreter looks for a file of that name."""
    if module.is_abi3:
        return ("t" in abi_of(python)[2:]) == (module.soabi == "abi3t")
    if not module.soabi:
        return True
    if python.soabi:
        return module.soabi == python.soabi
    # Which C library it was built for is not known; the loader's checks tell.
    place = module.triple.partition("-")[0]
    return module.soabi.split("-")[1] == abi_of(python)[2:] and place in ("", contract.arch)


def python_symbols(elf: ElfFacts) -> frozenset[str]:
    """Undefined symbols that belong to Python's C interface."""
    return frozenset(filter(_PYTHON_SYMBOL.match, _python_like(elf.undefined)))


def exported_python(elf: ElfFacts) -> list[str]:
    """Exported symbols that are called as those of Python's C interface are."""
    return _python_like(elf.exported)


def _python_like(symbols: tuple[str, ...]) -> list[str]:
    """They are sorted, so there is no need to see all."""
    found: list[str] = []
    for prefix, behind in (("Py", "Pz"), ("_Py", "_Pz")):
        own = symbols[bisect.bisect_left(symbols, prefix) : bisect.bisect_left(symbols, behind)]
        found += [symbol.partition("@")[0] for symbol in own]
    return found


def shown(files: Sequence[str]) -> str:
    """ "" for one file, else how many more there are, to put behind a message about the first."""
    return f" (and {len(files) - 1} more like it)" if len(files) > 1 else ""
