"""What the tables of audit cases (tests/cases/audit*.yaml) share: how they are read, and how a finding is compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edgebuild.model.finding import Finding

_FOLDER = Path(__file__).parent / "cases"


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """says: parts that the message must have."""

    code: str
    file: str
    says: list[str]
    severity: str = "error"


def read_cases(name: str) -> Any:
    """`contract` and `elf`: what cases differ from. `cases`: a list of them."""
    return yaml.safe_load((_FOLDER / f"{name}.yaml").read_text())


def assert_found(findings: Sequence[Finding], expected: Sequence[Expected]) -> None:
    """These and no others, in this order, each with a hint."""
    found = [(finding.code, finding.file, finding.severity) for finding in findings]
    assert found == [(each.code, each.file, each.severity) for each in expected], findings
    for finding, each in zip(findings, expected, strict=True):
        for part in each.says:
            assert part in finding.message
        assert finding.hint
