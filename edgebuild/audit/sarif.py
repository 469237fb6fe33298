"""Findings as SARIF 2.1.0, which code-review pages show beside a change. One run per artifact and contract.

Format: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0"; checked against its published schema
in tests/e2e/test_sarif.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from edgebuild import __version__
from edgebuild.audit.codes import CODES, page
from edgebuild.digest import digest_of
from edgebuild.model.finding import Finding

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "unknown": "warning", "advice": "note"}
_FINGERPRINT = "edgebuild/v1"


@dataclass(frozen=True)
class Audited:
    """One artifact against one contract. path: as relative URIs show it. is_folder: its files lie there as such."""

    path: str
    is_folder: bool
    contract: str
    findings: Sequence[Finding]


def render_sarif(audits: Sequence[Audited]) -> dict[str, Any]:
    """The document, ready for json.dumps."""
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(each) for each in audits]}


def _run(audited: Audited) -> dict[str, Any]:
    codes = sorted({each.code for each in audited.findings})
    return {
        "tool": {"driver": {"name": "edgebuild", "version": __version__, "rules": [_rule(code) for code in codes]}},
        # The last "/" ends the category: pages keep runs of one tool apart by it.
        "automationDetails": {"id": f"edgebuild audit/{quote(audited.path)}/{quote(audited.contract)}/"},
        "results": [_result(each, audited, codes.index(each.code)) for each in audited.findings],
    }


def _rule(code: str) -> dict[str, Any]:
    text = page(code)
    return {
        "id": code,
        "shortDescription": {"text": CODES[code].title},
        "help": {"text": text, "markdown": text},
        "properties": {"tags": [CODES[code].kind]},
    }


def _result(finding: Finding, audited: Audited, rule_index: int) -> dict[str, Any]:
    origin = f", brought in by {finding.origin}" if finding.origin else ""
    said = ": ".join(filter(None, (finding.file, f"{finding.message}{origin}")))
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{said}\n{finding.hint}" if finding.hint else said},
        "locations": [_location(finding, audited)],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(finding)},
    }
    if finding.waived:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.waived}]
    return result


def _location(finding: Finding, audited: Audited) -> dict[str, Any]:
    """A file inside an archive has no place of its own on a page: the archive has, and the file is its part."""
    uri = f"{audited.path}/{finding.file}" if audited.is_folder and finding.file else audited.path
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": quote(uri)}, "region": {"startLine": 1}}
    }
    if finding.file:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.file, "kind": "module"}]
    return location


def _fingerprint(finding: Finding) -> str:
    """The same for the same defect in the next build: messages tell versions and counts, which change."""
    return digest_of([finding.code, finding.file, finding.symbol or finding.message])[:32]
