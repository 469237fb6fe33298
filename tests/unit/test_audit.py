"""The ship gate, case by case (tests/cases/audit.yaml): what each finding is given for, and what passes."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from edgebuild.audit.codes import CODES
from edgebuild.audit.engine import audit
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.tree import TreeFacts

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "audit.yaml").read_text())
CONTRACT = msgspec.convert(CASES["contract"], Contract)


class AuditCase(msgspec.Struct, forbid_unknown_fields=True):
    """elves: facts that differ from `elf` at the head of the file. findings: see Expected."""

    name: str
    elves: list[dict[str, Any]]
    findings: list[Expected]
    floor: str = ""
    needs: dict[str, dict[str, str]] = {}
    contract: dict[str, Any] = {}
    symbols: dict[str, frozenset[str]] = {}
    tree: dict[str, Any] = {}


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """says: parts that the message must have."""

    code: str
    file: str
    says: list[str]
    severity: str = "error"


def cases() -> list[AuditCase]:
    return msgspec.convert(CASES["cases"], list[AuditCase])


@pytest.mark.parametrize("case", cases(), ids=attrgetter("name"))
def test_audit(case: AuditCase) -> None:
    elves = [msgspec.convert({**CASES["elf"], **facts}, ElfFacts) for facts in case.elves]
    contract = msgspec.convert({**CASES["contract"], **case.contract}, Contract)
    tree = msgspec.convert({"path": "tree", "kind": "folder", **case.tree}, TreeFacts)
    tree = msgspec.structs.replace(tree, elves=tuple(elves))
    findings = audit(tree, Provided(contract, case.symbols), floor=case.floor, needs=case.needs)
    found = [(finding.code, finding.file, finding.severity) for finding in findings]
    assert found == [(expected.code, expected.file, expected.severity) for expected in case.findings], findings
    for finding, expected in zip(findings, case.findings, strict=True):
        for part in expected.says:
            assert part in finding.message
        assert finding.hint


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
        *(f"A{each}" for each in range(120, 132)),
    }
    covered = {expected.code for case in cases() for expected in case.findings}
    assert covered == set(CODES) - elsewhere
