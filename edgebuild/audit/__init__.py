"""Would this artifact run on that box? Pure: facts in, findings out. For programs of others: edgebuild/api.py."""

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
