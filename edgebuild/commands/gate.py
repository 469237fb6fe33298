"""The ship gate: every product is read again, as a stranger would read it, before it leaves."""

from __future__ import annotations

from pathlib import Path

from edgebuild.audit.engine import audit, refusals
from edgebuild.audit.libraries import Needs
from edgebuild.audit.origin import attribute, link_maps, origins
from edgebuild.audit.render import render_findings
from edgebuild.errors import AuditError
from edgebuild.inputs import read_artifact
from edgebuild.model.contract import Waiver
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding
from edgebuild.model.target import TargetSpec
from edgebuild.run import Runner
from edgebuild.workspace import Workspace


def gate(
    path: Path,
    title: str,
    target: TargetSpec,
    *,
    floor: str,
    needs: Needs,
    waivers: tuple[Waiver, ...],
    ws: Workspace,
    run: Runner,
) -> None:
    """Nothing leaves with a finding that refuses. Raises AuditError.

    floor: of everything of ours; "" for a product that carries a distribution's files as well. needs: what bundled
    libraries of others may need above it.
    """
    with ws.log.step(f"Auditing {title} against contract {target.row.contract}"):
        tree = read_artifact(path, ws=ws, run=run)
        findings = audit(tree, target.provided, floor=floor, needs=needs, waivers=(*target.row.waivers, *waivers))
        if refused := refusals(findings):
            refused = _with_origins(refused, tree.elves, ws)
            raise AuditError(render_findings(refused), "`edgebuild targets show` prints what the box provides.")


def _with_origins(findings: tuple[Finding, ...], elves: tuple[ElfFacts, ...], ws: Workspace) -> tuple[Finding, ...]:
    """Names the object file or static library behind each symbol, by the maps that the links left in build/."""
    maps = link_maps(ws.project / "build")
    for elf in elves:
        if elf.build_id in maps and any(finding.file == elf.name for finding in findings):
            findings = attribute(findings, origins(maps[elf.build_id]), files=(elf.name,))
    return findings
