"""What `edgebuild audit --sarif` writes keeps to the published schema of SARIF 2.1.0."""

from __future__ import annotations

import copy

import pytest

from edgebuild.audit.codes import CODES
from edgebuild.audit.sarif import Audited, render_sarif
from edgebuild.model.finding import Finding, Severity
from edgebuild.workspace import Workspace
from tests.e2e.linters import Linters

SEVERITIES: tuple[Severity, ...] = ("error", "unknown", "advice")
EVERYTHING = [
    Finding(code=code, file=file, message="says what", hint=hint, severity=severity, symbol=symbol, waived=waived)
    for code in CODES
    for severity in SEVERITIES
    for file, hint, symbol, waived in (("", "", "", ""), ("lib/my lib.so", "do that.", "f@GLIBC_2.38", "known"))
]


@pytest.fixture(scope="module")
def linters(cache: Workspace) -> Linters:
    return Linters.provide(cache)


def test_every_code_and_severity_keeps_to_the_schema(linters: Linters) -> None:
    audits = [Audited("out/my app", True, "box", EVERYTHING), Audited("docker:app", False, "box", ())]
    assert linters.sarif_breach(render_sarif(audits)) == ""


def test_the_schema_would_notice(linters: Linters) -> None:
    document = render_sarif([Audited("out/app", True, "box", EVERYTHING[:2])])
    for spoil in (
        lambda run: run["results"][0].update(level="fatal"),
        lambda run: run["results"][0].pop("message"),
        lambda run: run["tool"]["driver"].pop("name"),
    ):
        spoilt = copy.deepcopy(document)
        spoil(spoilt["runs"][0])
        assert linters.sarif_breach(spoilt) != ""
