"""The ship gate, case by case (tests/cases/audit*.yaml): what each finding is given for, and what passes."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec
import pytest

from edgebuild.audit.codes import CODES
from edgebuild.audit.engine import audit
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.tree import TreeFacts
from tests.audit_cases import Expected, assert_found, read_cases

CASES = read_cases("audit")
CONTRACT = msgspec.convert(CASES["contract"], Contract)


class AuditCase(msgspec.Struct, forbid_unknown_fields=True):
    """elves: facts that differ from `elf` at the head of the file. findings: see Expected."""

    name: str
    elves: list[dict[str, Any]]
    findings: list[Expected]
    floor: str = ""
    static_runtime: bool = True
    needs: dict[str, dict[str, str]] = {}
    contract: dict[str, Any] = {}
    symbols: dict[str, frozenset[str]] = {}
    tree: dict[str, Any] = {}


def cases() -> list[AuditCase]:
    more = read_cases("audit_search")
    return msgspec.convert([*CASES["cases"], *more["cases"]], list[AuditCase])


@pytest.mark.parametrize("case", cases(), ids=attrgetter("name"))
def test_audit(case: AuditCase) -> None:
    elves = [msgspec.convert({**CASES["elf"], **facts}, ElfFacts) for facts in case.elves]
    contract = msgspec.convert({**CASES["contract"], **case.contract}, Contract)
    tree = msgspec.convert({"path": "tree", "kind": "folder", **case.tree}, TreeFacts)
    tree = msgspec.structs.replace(tree, elves=tuple(elves))
    provided, runtime = Provided(contract, case.symbols), case.static_runtime
    findings = audit(tree, provided, floor=case.floor, static_runtime=runtime, needs=case.needs)
    assert_found(findings, case.findings)


def test_every_code_of_loading_has_a_case() -> None:
    """Those of wheels, images, instructions and other files have their own tests."""
    elsewhere = {
        "A109",
        "A111",
        "A112",
        "A115",
        "A119",
        "A135",
        "A136",
        "A137",
        "A138",
        *(f"A{each}" for each in range(120, 132)),
    }
    covered = {expected.code for case in cases() for expected in case.findings}
    assert covered == set(CODES) - elsewhere
