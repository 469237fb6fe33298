"""The ship gate: every product is read again, as a stranger would read it, before it leaves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from edgebuild.audit.engine import audit, refusals
from edgebuild.audit.libraries import Needs
from edgebuild.audit.origin import attribute, link_maps, origins
from edgebuild.audit.render import render_findings
from edgebuild.audit.sdk import Shipping, with_sdks_of_box
from edgebuild.digest import sha256_file
from edgebuild.errors import AuditError
from edgebuild.inputs import read_artifact
from edgebuild.model.contract import Waiver
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding
from edgebuild.model.sdk import Sdk
from edgebuild.model.target import TargetSpec
from edgebuild.run import Runner
from edgebuild.workspace import Workspace


def gate(
    path: Path,
    title: str,
    target: TargetSpec,
    *,
    floor: str,
    static_runtime: bool,
    needs: Needs,
    waivers: tuple[Waiver, ...],
    shipping: Shipping,
    ws: Workspace,
    run: Runner,
) -> None:
    """Nothing leaves with a finding that refuses. Raises AuditError.

    floor: of everything of ours; "" for a product that carries a distribution's files as well. static_runtime: ours
    has its C++ runtime inside. needs: what bundled libraries of others may need above it. shipping: of vendors' SDKs.
    """
    with ws.log.step(f"Auditing {title} against contract {target.row.contract}"):
        tree = read_artifact(path, ws=ws, run=run)
        if shipping.withheld and path.is_dir():
            shipping = replace(shipping, digests=_digests(path))
        findings = audit(
            tree,
            with_sdks_of_box(target.provided, shipping.linked),
            floor=floor,
            static_runtime=static_runtime,
            needs=needs,
            waivers=(*target.row.waivers, *waivers),
            shipping=shipping,
        )
        if refused := refusals(findings):
            refused = _with_origins(refused, tree.elves, ws)
            refused = tuple(_with_sdk(each, shipping.linked) for each in refused)
            raise AuditError(render_findings(refused), "`edgebuild targets show` prints what the box provides.")


def _with_origins(findings: tuple[Finding, ...], elves: tuple[ElfFacts, ...], ws: Workspace) -> tuple[Finding, ...]:
    """Names the object file or static library behind each symbol, by the maps that the links left in build/."""
    maps = link_maps(ws.project / "build")
    for elf in elves:
        if elf.build_id in maps and any(finding.file == elf.name for finding in findings):
            findings = attribute(findings, origins(maps[elf.build_id]), files=(elf.name,))
    return findings


def _with_sdk(found: Finding, sdks: Sequence[Sdk]) -> Finding:
    """Of a library that is missing, or of which nobody knows what it has: the SDK that has it is named."""
    if found.code not in ("A102", "A103", "A110") or (found.code != "A103" and found.severity != "unknown"):
        return found
    words = set(re.findall(r"[^\s,:;()]+", found.message))
    for sdk in sdks:
        if not sdk.on_box and words & sdk.symbols.keys():
            hint = (
                f"it is of the SDK '{sdk.name}': `sdk: [{{name: {sdk.name}, on_box: true}}]` says that the box has it."
            )
            if not sdk.recipe.redistributable:
                hint += " It cannot be bundled: the SDK was imported without --redistributable."
            return msgspec.structs.replace(found, hint=hint)
    return found


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
