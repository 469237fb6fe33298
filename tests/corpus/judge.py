"""The audit as its users get it: the command line and its JSON document. What the corpus says is held against that."""

from __future__ import annotations

import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import edgebuild.audit
from edgebuild.cli import main
from edgebuild.config.contracts import load_contract
from edgebuild.inputs import read_artifact
from edgebuild.workspace import Workspace
from tests.corpus.model import Defect, Expect, Made

PASSED, REFUSED = 0, 5


@dataclass(frozen=True)
class Verdict:
    """exit_code: of the command. findings: of the only box that was asked about."""

    exit_code: int
    findings: tuple[dict[str, Any], ...]
    stderr: str

    @property
    def refusing(self) -> tuple[dict[str, Any], ...]:
        return tuple(each for each in self.findings if each["severity"] != "advice" and not each.get("waived"))

    def told(self) -> str:
        lines = [f"    {shown(each)}" for each in self.findings]
        return "\n".join([f"    exit {self.exit_code} {self.stderr.strip()[-600:]}", *lines])


def audit(path: Path, *options: str) -> Verdict:
    """`edgebuild audit PATH OPTIONS --json` in this process, because starting Python costs more than most audits."""
    stdout, stderr = io.StringIO(), io.StringIO()
    code: object = PASSED
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            main(["audit", str(path), *options, "--json"])
        except SystemExit as ended:
            code = ended.code
    try:
        (verdict,) = json.loads(stdout.getvalue())["verdicts"]
    except (ValueError, KeyError):
        return Verdict(-1, (), f"no verdict: {stderr.getvalue()}{stdout.getvalue()[:500]}")
    return Verdict(int(str(code or 0)), tuple(verdict["findings"]), stderr.getvalue())


def judge(defect: Defect, made: Made, ws: Workspace) -> Verdict:
    """The command line; for a build of ours the Python API, because only the ship gate knows whose build it is."""
    if not defect.floor:
        return audit(made.path, "--contract", str(defect.contract_file), *made.options)
    provided = load_contract(str(defect.contract_file), ws)
    findings = edgebuild.audit.audit(read_artifact(made.path, ws=ws), provided, floor=defect.floor)
    code = REFUSED if edgebuild.audit.refusals(findings) else PASSED
    return Verdict(code, tuple(msgspec.to_builtins(each) for each in findings), "")


def problems(defect: Defect, verdict: Verdict) -> list[str]:
    """Where the verdict is not what the corpus says, in words; [] is agreement."""
    found = [problem for expect in defect.expects if (problem := _missing(expect, verdict))]
    allowed = {expect.code for expect in defect.expects if expect.severity != "advice"} | defect.also
    found += [f"refused for another reason: {shown(each)}" for each in verdict.refusing if each["code"] not in allowed]
    wanted = REFUSED if defect.refused else PASSED
    if verdict.exit_code != wanted:
        found.append(f"exit code {verdict.exit_code}, expected {wanted}")
    return found


def shown(finding: dict[str, Any]) -> str:
    hint = f" [{finding['hint']}]" if finding.get("hint") else ""
    origin = f" ({finding['origin']})" if finding.get("origin") else ""
    return f"{finding['code']} {finding['severity']} {finding['file']}: {finding['message']}{origin}{hint}"


def _missing(expect: Expect, verdict: Verdict) -> str:
    """What the finding that comes nearest lacks; "" when there is one that lacks nothing."""
    of_code = [each for each in verdict.findings if each["code"] == expect.code]
    if not of_code:
        return f"ESCAPE: no {expect.code}"
    lacking = [_lacks(expect, each) for each in of_code]
    if not all(lacking):
        return ""
    nearest = min(lacking, key=len)
    return f"{expect.code}: {'; '.join(nearest)} -- {shown(of_code[lacking.index(nearest)])}"


def _lacks(expect: Expect, finding: dict[str, Any]) -> list[str]:
    lacks = []
    if finding["severity"] != expect.severity:
        lacks.append(f"severity is {finding['severity']}, expected {expect.severity}")
    if not finding["file"].endswith(expect.file):
        lacks.append(f"file is {finding['file']!r}, expected {expect.file!r}")
    for place, words in (("message", expect.says), ("hint", expect.hint), ("origin", expect.origin)):
        text = finding.get(place) or ""
        lacks += [f"{place} lacks {word!r}" for word in words if not says(text, word)]
    if expect.symbol and expect.symbol not in (finding.get("symbol") or ""):
        lacks.append(f"symbol is {finding.get('symbol')!r}, expected {expect.symbol!r}")
    return lacks


def says(text: str, word: str) -> bool:
    """Whether one of "a|b" is in a text, in any case; "." stands for any character, so that x86.64 is x86_64 too."""
    return any(re.search(re.escape(part).replace(r"\.", "."), text, re.IGNORECASE) for part in word.split("|"))
