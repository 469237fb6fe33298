"""Would this artifact run on that box? The stable Python API of `edgebuild audit`.

    from edgebuild.audit import audit_path
    for finding in audit_path("my.whl", "contracts/box.yaml"):
        print(finding.severity, finding.code, finding.file, finding.message, finding.hint)
"""

from __future__ import annotations

from edgebuild.audit.codes import CODES, Code, page
from edgebuild.audit.engine import audit, refusals, verdict
from edgebuild.model.contract import Contract, Provided, Waiver
from edgebuild.model.finding import Finding
from edgebuild.model.tree import TreeFacts

__all__ = [
    "CODES",
    "Code",
    "Contract",
    "Finding",
    "Provided",
    "TreeFacts",
    "Waiver",
    "audit",
    "page",
    "refusals",
    "verdict",
]
