"""What the audit says of an artifact in a root, and how that compares with what happens there."""

from __future__ import annotations

from dataclasses import dataclass

from edgebuild.audit.codes import CODES
from edgebuild.audit.engine import audit
from edgebuild.model.finding import Finding
from edgebuild.model.tree import TreeFacts
from tests.truth.artifacts import Artifact
from tests.truth.observe import Observed
from tests.truth.roots import Root


@dataclass(frozen=True)
class Pair:
    """refusals: findings that say that it cannot load. others: what stops it from shipping, or nobody knows."""

    artifact: Artifact
    root: Root
    observed: Observed
    refusals: tuple[Finding, ...]
    others: tuple[Finding, ...]

    @property
    def name(self) -> str:
        return f"{self.artifact.name} on {self.root.name}"

    @property
    def agrees(self) -> bool:
        return self.observed.loads is not bool(self.refusals)


def judge(artifact: Artifact, tree: TreeFacts, root: Root, observed: Observed) -> Pair:
    findings = audit(tree, root.provided)
    refusals = tuple(each for each in findings if each.severity == "error" and CODES[each.code].kind == "load")
    others = tuple(each for each in findings if each.refuses and each not in refusals)
    return Pair(artifact, root, observed, refusals, others)


def render_table(pairs: list[Pair]) -> str:
    """Agreements in numbers, disagreements by name."""

    def count(loads: bool, refused: bool) -> int:
        return sum(pair.observed.loads is loads and bool(pair.refusals) is refused for pair in pairs)

    lines = [
        f"{'':24}{'audit refuses':>14}{'audit passes':>14}",
        f"{'the root fails to load':24}{count(False, True):>14}{count(False, False):>14}",
        f"{'the root loads':24}{count(True, True):>14}{count(True, False):>14}",
    ]
    lines += [f"  {pair.name}: {_difference(pair)}" for pair in pairs if not pair.agrees]
    return "\n".join(lines)


def _difference(pair: Pair) -> str:
    findings = "; ".join(f"{each.code} {each.file}: {each.message}" for each in pair.refusals or pair.others)
    if pair.refusals:
        return f"loads, but {findings}"
    return f"{pair.observed.says}, but the audit says {findings or 'nothing'}"
