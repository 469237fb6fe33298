"""The stable Python API: would this artifact run on that box? What is in `__all__` here keeps its names and meaning.

    from edgebuild.api import audit_path

    verdict = audit_path("my.whl", "contracts/box.yaml")
    for finding in verdict.findings:
        print(finding.severity, finding.code, finding.file, finding.message, finding.hint)
    assert verdict.passes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebuild.audit import Contract, Finding, Provided, TreeFacts, Waiver, audit, refusals
from edgebuild.collecting import without_collecting
from edgebuild.config.contracts import load_contract
from edgebuild.inputs import read_artifact
from edgebuild.log import Log
from edgebuild.run import run
from edgebuild.workspace import Workspace

__all__ = ["Contract", "Finding", "Provided", "TreeFacts", "Verdict", "Waiver", "audit_path"]


@dataclass(frozen=True)
class Verdict:
    """findings: worst first, advice and waived ones included. tree: what was read in the artifact."""

    findings: tuple[Finding, ...]
    tree: TreeFacts

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Errors and unknowns that no waiver covers."""
        return refusals(self.findings)

    @property
    def passes(self) -> bool:
        return not self.refusals


def audit_path(
    what: str | Path, contract: str | Path | Provided, *, waivers: Sequence[Waiver] = (), isa: bool = True
) -> Verdict:
    """what: as the command takes it, but for files of a box. contract: a name, a file, or facts of one's own.

    isa: look at instructions, too. Reads through the same cache as the command (EDGEBUILD_CACHE). Raises
    ConfigError for what is no artifact or contract, VerificationError for a damaged or hostile archive, NotAvailable
    without the engine that docker:IMAGE needs; all are EdgebuildError.
    """
    ws = Workspace.open(project=Path.cwd(), out=None, log=Log(quiet=True))
    provided = contract if isinstance(contract, Provided) else load_contract(str(contract), ws, where="contract")
    with without_collecting():
        tree = read_artifact(what, ws=ws, run=run, isa=isa)
        return Verdict(audit(tree, provided, waivers=waivers), tree)
