"""The ship gate, case by case (tests/cases/audit.yaml): what each finding is given for, and what passes."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from edgebuild.build.audit import CODES, audit, render_findings
from edgebuild.model.elf import ElfFacts, Finding
from edgebuild.model.target import Contract

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
    findings = audit(elves, contract, floor=case.floor, needs=case.needs)
    found = [(finding.code, finding.file, finding.severity) for finding in findings]
    assert found == [(expected.code, expected.file, expected.severity) for expected in case.findings], findings
    for finding, expected in zip(findings, case.findings, strict=True):
        for part in expected.says:
            assert part in finding.message
        assert finding.hint


def test_every_code_has_a_case() -> None:
    assert {expected.code for case in cases() for expected in case.findings} == set(CODES)


def test_findings_are_rendered_grouped_worst_first_with_each_hint_once() -> None:
    findings = (
        Finding(code="A102", file="a.so", message="needs X", hint="do this."),
        Finding(code="A102", file="b.so", message="needs X", hint="do this."),
        Finding(code="A106", file="a.so", message="is bad", hint="do that."),
        Finding(code="A102", file="c.so", message="who knows", hint="look.", severity="unknown"),
    )
    assert render_findings(findings).splitlines() == [
        f"A102 {CODES['A102']}",
        "  a.so: needs X",
        "  b.so: needs X",
        "    hint: do this.",
        f"A106 {CODES['A106']}",
        "  a.so: is bad",
        "    hint: do that.",
        f"A102 {CODES['A102']} (unknown, which does not pass)",
        "  c.so: who knows",
        "    hint: look.",
    ]
