"""What a build of several rows ends with: how old a userland each row needs, its size, its cost, its proof."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from edgebuild.commands.context import table_lines
from edgebuild.model.cost import Cost
from edgebuild.model.elf import parse_version
from edgebuild.model.product import Artifact
from edgebuild.model.target import TargetSpec
from edgebuild.workspace import Workspace

_CORE = "core"
_HEAD = ("target", "GLIBC", "bundled", "allowed", "MB", "wall s", "CPU s", "proven")


class RowReport(msgspec.Struct, frozen=True, kw_only=True):
    """One row. glibc: highest node that files of ours need; glibc_bundled: that libraries of others beside them need;
    glibc_allowed: the contract's. "": none. size_bytes: of what goes to a box (the tarball, else the image).
    reused: it lay there already, made from the same plan.
    """

    target: str
    arch: str
    glibc: str
    glibc_bundled: str
    glibc_allowed: str
    size_bytes: int
    cost: Cost
    toolchain: str  # with what it links against: "clang against debian-11-arm64, glibc 2.31"
    proof: str
    proof_by: str
    reused: bool
    core: str  # digest of the compiled core, "" for a project of its own


class SharedCore(msgspec.Struct, frozen=True, kw_only=True):
    """A core that rows took. cost: of compiling it, whenever that was, and less where the tree still had older objects;
    saved: what as many more compilations would have taken as rows did without.
    """

    arch: str
    rows: int
    compiled_now: bool
    cost: Cost
    saved: Cost


class BuildReport(msgspec.Struct, frozen=True):
    rows: tuple[RowReport, ...]
    shared: tuple[SharedCore, ...]


def row_report(spec: TargetSpec, artifact: Artifact, cost: Cost, *, reused: bool = False) -> RowReport:
    bundled = {
        name for runtime in spec.runtimes.values() for library in runtime.bundle for name in (library.install_as,)
    }
    ours: list[str] = []
    theirs: list[str] = []
    for file, versions in artifact.abi.items():
        if glibc := versions.get("GLIBC"):
            (theirs if file.rpartition("/")[2] in bundled else ours).append(glibc)
    shipped = [each.size_bytes for each in artifact.products if each.kind in ("tarball", "image")]
    return RowReport(
        target=spec.name,
        arch=artifact.arch,
        glibc=_highest(ours),
        glibc_bundled=_highest(theirs),
        glibc_allowed=spec.contract.glibc or "",
        size_bytes=min(shipped, default=0),
        cost=cost,
        toolchain=spec.toolchain.words,
        proof=spec.row.proof.level,
        proof_by=spec.row.proof.by,
        reused=reused,
        core=artifact.made_from.get(_CORE, ""),
    )


def build_report(rows: Sequence[RowReport], *, known: frozenset[str], ws: Workspace) -> BuildReport:
    """known: cores that had been compiled before this build, as noted_cores() told then."""
    users: dict[str, list[RowReport]] = defaultdict(list)
    for row in rows:
        if not row.reused:  # it would not have been compiled either way
            users[row.core].append(row)
    shared = [
        _shared_core(takers, cost, compiled_now=ws.cost_name(core) not in known)
        for core, takers in users.items()
        if core and (cost := ws.cost_of(_CORE, core))
    ]
    return BuildReport(tuple(rows), tuple(shared))


def noted_cores(ws: Workspace) -> frozenset[str]:
    return ws.costs_noted(_CORE)


def _shared_core(takers: Sequence[RowReport], cost: Cost, *, compiled_now: bool) -> SharedCore:
    spared = len(takers) - compiled_now
    return SharedCore(
        arch=takers[0].arch,
        rows=len(takers),
        compiled_now=compiled_now,
        cost=cost,
        saved=Cost(round(spared * cost.wall_s, 1), round(spared * cost.cpu_s, 1)),
    )


def render_report(report: BuildReport) -> list[str]:
    """A table that a person can paste into a ticket, and a line for each core that rows share."""
    table = [
        (
            row.target,
            row.glibc or "-",
            row.glibc_bundled or "-",
            row.glibc_allowed or "?",
            f"{row.size_bytes / 1e6:.1f}",
            "reused" if row.reused else f"{row.cost.wall_s:.1f}",
            "-" if row.reused else f"{row.cost.cpu_s:.1f}",
            row.proof,
        )
        for row in report.rows
    ]
    return [*table_lines(table, _HEAD), *map(_shared_line, report.shared)]


def _shared_line(shared: SharedCore) -> str:
    when = "compiled once" if shared.compiled_now else "taken from the cache"
    return (
        f"core for {shared.arch}: {when} for {shared.rows} row{'s' if shared.rows > 1 else ''}, "
        f"{shared.cost.wall_s:.0f} s ({shared.cost.cpu_s:.0f} s CPU) each; "
        f"saved {shared.saved.wall_s:.0f} s ({shared.saved.cpu_s:.0f} s CPU)"
    )


def floor_line(row: RowReport) -> str:
    """Of a build of one row."""
    needs = f"ours needs GLIBC_{row.glibc} at most" if row.glibc else "ours needs no glibc"
    return f"{row.target}: linked by {row.toolchain}; {needs}, the box has {row.glibc_allowed or 'an unknown one'}"


def as_document(report: BuildReport) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(report)
    return document


def _highest(versions: Sequence[str]) -> str:
    return max(versions, key=parse_version, default="")
