"""The ship gate: what a box could not load must not leave the house. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from types import MappingProxyType

import msgspec

from edgebuild.audit.image import check_image, contract_inside
from edgebuild.audit.isa import check_isa
from edgebuild.audit.libraries import Needs, check_copies, check_floor, check_libraries, check_search_paths
from edgebuild.audit.load import Loader
from edgebuild.audit.machine import check_machine, check_static_tls, wrong_machine
from edgebuild.audit.models import check_models
from edgebuild.audit.other import check_others, check_paths
from edgebuild.audit.python import check_python
from edgebuild.audit.sdk import Shipping, check_withheld
from edgebuild.audit.symbols import check_symbols
from edgebuild.audit.waivers import apply_waivers
from edgebuild.collecting import without_collecting
from edgebuild.model.contract import Provided, Waiver
from edgebuild.model.finding import Finding
from edgebuild.model.tree import TreeFacts

_NO_SDK = Shipping()
_SEVERITIES = ("error", "unknown", "advice")


def audit(
    tree: TreeFacts,
    provided: Provided,
    *,
    floor: str = "",
    static_runtime: bool = True,
    needs: Needs = MappingProxyType({}),
    waivers: Sequence[Waiver] = (),
    today: date | None = None,
    shipping: Shipping = _NO_SDK,
) -> tuple[Finding, ...]:
    """Everything that would stop these files on a box of this contract, worst first; advice last.

    floor: glibc version that everything of ours is linked for ("": an artifact of others). static_runtime: and it has
    its C++ runtime inside; without, what it asks the box's libstdc++ for is between it and the contract.
    needs: what bundled libraries of others may need instead: file -> {"GLIBC": "2.28", "GLIBCXX": "3.4.22"}.
    A fact that the contract does not state gives a finding of severity "unknown".
    today: for the waivers' last days. shipping: of vendors' SDKs, at the ship gate.
    """
    with without_collecting():
        found = tuple(dict.fromkeys(_findings(tree, provided, floor, static_runtime, needs, shipping)))
    if not tree.elves and not tree.others and not _is_for_any_machine(tree) and not (tree.wheel and refusals(found)):
        hint = "is this the right folder? Archives and wheels in one are not opened: name them one by one."
        return (Finding(code="A100", file="", message="no ELF file found", hint=hint),)
    findings = apply_waivers(found, waivers, today or date.today())
    return tuple(sorted(findings, key=_order))


def _is_for_any_machine(tree: TreeFacts) -> bool:
    """A wheel that says so in its name needs no ELF file; which Pythons take it is still a question."""
    return tree.wheel is not None and all(tag.endswith("-none-any") for tag in tree.wheel.tags)


def _findings(
    tree: TreeFacts, provided: Provided, floor: str, static_runtime: bool, needs: Needs, shipping: Shipping
) -> Iterator[Finding]:
    inside = contract_inside(tree, provided) if tree.image else provided
    for elf in tree.elves:
        yield from wrong_machine(elf, inside.contract)
    # Anything else about a file of another machine would only be noise.
    whole, tree = tree, _without_wrong(tree, inside)
    loader = Loader(tree, inside)
    for elf in tree.elves:
        yield from check_machine(elf, loader)
        yield from check_search_paths(elf, tree, own=bool(floor))
    for process in loader.processes:
        yield from check_libraries(process, loader)
        yield from check_symbols(process, loader)
        yield from check_copies(process)
        yield from check_static_tls(process)
    if floor:
        yield from check_floor(loader, floor, needs, shipping.linked_libraries, static_runtime=static_runtime)
    yield from check_isa(tree, inside)
    yield from check_python(whole, inside)
    yield from check_others(tree, inside)
    yield from check_paths(tree, own=bool(floor), foreign=needs)
    yield from check_models(tree, inside)
    yield from check_withheld(whole, shipping)
    if tree.image:
        yield from check_image(whole, provided)


def _without_wrong(tree: TreeFacts, provided: Provided) -> TreeFacts:
    right = tuple(elf for elf in tree.elves if not any(wrong_machine(elf, provided.contract)))
    return msgspec.structs.replace(tree, elves=right)


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return _SEVERITIES.index(finding.severity), finding.code, finding.file, finding.message


def refusals(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those that let nothing pass."""
    return tuple(finding for finding in findings if finding.refuses)


def verdict(findings: Sequence[Finding]) -> str:
    return "refused" if refusals(findings) else "passes"


__all__ = ["audit", "refusals", "verdict"]
