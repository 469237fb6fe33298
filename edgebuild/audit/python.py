"""Python code and modules: which interpreter takes them (A124, A126), and what wheels and abi3 promise of them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from edgebuild.audit.finding import box, finding
from edgebuild.audit.python_abi import check_abi
from edgebuild.audit.python_modules import Module, groups_of, imports, modules_of, pythons_of, shown
from edgebuild.audit.wheel import check_promise, check_tags, check_wheel_fits
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, Provided, PythonFacts
from edgebuild.model.finding import Finding
from edgebuild.model.tree import OtherFile, TreeFacts

_PROBE = "`edgebuild probe` finds them on a box: pythons in the contract."


def check_python(tree: TreeFacts, provided: Provided) -> Iterator[Finding]:
    """A121 to A124 and A126. tree: with its files of other machines, whose names and tags may be what is wrong."""
    contract = provided.contract
    named = modules_of(tree)
    disagreements = [*_wrong_suffixes(named, contract), *_wrong_starts(named), *check_tags(tree, named)]
    yield from disagreements
    right = tuple(elf for elf in tree.elves if elf.machine == ARCHES[contract.arch].elf_machine)
    # Whatever else such a wheel lacks: it must be built again, or another one taken.
    wrong = len(right) < len(tree.elves) or any(each.severity == "error" for each in disagreements)
    tree = msgspec.structs.replace(tree, elves=right)
    modules, pythons = modules_of(tree), pythons_of(tree, contract)
    yield from check_promise(tree)
    unfit = [] if wrong else list(check_wheel_fits(tree, contract, pythons))
    yield from unfit
    if not unfit and not any(each.severity == "error" for each in disagreements):
        yield from _modules_fit(modules, pythons, tree, contract)
    yield from check_abi(modules, pythons, tree, provided)
    yield from _compiled(tree, pythons, contract)


def _wrong_suffixes(modules: tuple[Module, ...], contract: Contract) -> Iterator[Finding]:
    """A file named for one architecture with the code of another: no interpreter finds it, or none loads it."""
    machines = {arch.triple.partition("-")[0]: arch.elf_machine for arch in ARCHES.values()}
    wrong = [m for m in modules if (word := m.triple.partition("-")[0]) and machines.get(word) != m.elf.machine]
    for module in wrong[:1]:
        machine = module.elf.machine.removeprefix("EM_")
        message = f"its name says {module.triple}, its code is for {machine}{shown([m.elf.name for m in wrong])}"
        hint = (
            "the build asked its own Python for the suffix: set SETUPTOOLS_EXT_SUFFIX (or _PYTHON_SYSCONFIGDATA_NAME) "
            f"for the target, e.g. .cpython-311-{ARCHES[contract.arch].triple}.so."
        )
        yield finding("A121", module.elf, message, hint)


def _wrong_starts(modules: tuple[Module, ...]) -> Iterator[Finding]:
    """Renamed after they were compiled: Python calls PyInit_NAME, with the name that the file has.

    One without any such function is no module but somebody's library; PyInitU_ is for names beyond ASCII.
    """
    wrong = [
        (module, starts)
        for module in modules
        if module.soabi and (starts := module.starts) and not starts & {"", *module.import_names}
    ]
    for module, starts in wrong[:1]:
        has = ", ".join(f"PyInit_{each}" for each in sorted(starts)[:3])
        expected = f"PyInit_{module.import_names[0]}"
        message = f"is imported by {expected} and has {has}{shown([each.elf.name for each, _ in wrong])}"
        hint = "a module keeps the name that it was compiled for: rename it in the build, not its file."
        yield finding("A121", module.elf, message, hint)


def _modules_fit(
    modules: tuple[Module, ...], pythons: tuple[PythonFacts, ...] | None, tree: TreeFacts, contract: Contract
) -> Iterator[Finding]:
    """Modules that none of the Pythons imports; those for the same Pythons in one finding."""
    lost: dict[tuple[str, ...], list[Module]] = defaultdict(list)
    for group in groups_of(modules):
        if pythons is None or not any(imports(*pair, contract) for pair in itertools.product(pythons, group)):
            lost[tuple(sorted({module.soabi for module in group}))].append(group[0])
    for soabis, members in lost.items():
        kinds = ", ".join(each or "any Python 3" for each in soabis)
        more = shown([each.elf.name for each in members])
        if pythons is None:
            message = f"is a module for {kinds}{more}, and nobody knows which Pythons {box(contract)} has"
            yield finding("A124", members[0].elf, message, _PROBE, "unknown")
        else:
            message = f"is a module for {kinds}{more}; {_where(tree, contract)} has {name_pythons(pythons)}"
            hint = "build it for that Python; a module for one minor does not load in another."
            yield finding("A124", members[0].elf, message, hint)


def _where(tree: TreeFacts, contract: Contract) -> str:
    return "the image" if tree.image else box(contract)


def name_pythons(pythons: tuple[PythonFacts, ...]) -> str:
    return f"Python {', '.join(each.version for each in pythons)}" if pythons else "no Python"


# ---- .pyc ----


def _compiled(tree: TreeFacts, pythons: tuple[PythonFacts, ...] | None, contract: Contract) -> Iterator[Finding]:
    """Below __pycache__ a file of another minor is passed over for the source; anywhere else it is the module."""
    files: dict[tuple[str, bool], list[OtherFile]] = defaultdict(list)
    for other in tree.others:
        if other.kind == "pyc":
            files[other.value, "/__pycache__/" in f"/{other.name}"].append(other)
    minors = {python.version for python in pythons or ()}
    for (minor, cached), members in files.items():
        if minor in minors or (cached and (pythons is None or not minor)):
            continue
        yield _one_compiled(minor, cached, members, pythons, tree, contract)


def _one_compiled(
    minor: str,
    cached: bool,
    members: list[OtherFile],
    pythons: tuple[PythonFacts, ...] | None,
    tree: TreeFacts,
    contract: Contract,
) -> Finding:
    more = shown([each.name for each in members])
    name, what = members[0].name, f"was compiled by {f'Python {minor}' if minor else 'a Python that we do not know'}"
    hint = "ship the sources, or compile with the box's Python (python3 -m compileall -b)."
    if pythons is None:
        message = f"{what}{more}, and nobody knows which Pythons {box(contract)} has"
        return Finding(code="A126", file=name, message=message, hint=_PROBE, severity="unknown")
    has = f"{_where(tree, contract)} has {name_pythons(pythons)}"
    if cached:
        message = f"{what}{more}; {has}, which passes over it and compiles the source at every start"
        return Finding(code="A126", file=name, message=message, hint=hint, severity="advice")
    message = f"{what}{more}; {has}"
    return Finding(
        code="A126", file=name, message=message, hint=hint, severity="error" if minor or not pythons else "unknown"
    )
