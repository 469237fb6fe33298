"""edgebuild audit: would these files run on the boxes of a row, or on the one that a contract describes?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from edgebuild.audit import audit, refusals, verdict
from edgebuild.audit.codes import CODES, page
from edgebuild.audit.origin import Lookup, attribute, origins
from edgebuild.audit.render import plain, render_findings, render_verdict
from edgebuild.audit.sarif import Audited, render_sarif
from edgebuild.audit.sdk import with_sdks_of_box
from edgebuild.audit.waivers import unused_waivers
from edgebuild.commands.audit_box import fetched_from_box, is_on_box
from edgebuild.commands.context import (
    Context,
    Something,
    complete_contracts,
    complete_targets,
    current_project,
    json_option,
    print_json,
    print_table,
)
from edgebuild.commands.fleet import Wish, reach_options
from edgebuild.config.contracts import load_contract
from edgebuild.config.sdk import sdks_for
from edgebuild.config.targets import load_row, resolve_names
from edgebuild.elf import highest_versions
from edgebuild.errors import AuditError, ConfigError, NotAvailable
from edgebuild.inputs import read_artifact
from edgebuild.model.contract import Provided, Waiver
from edgebuild.model.finding import Finding
from edgebuild.model.sdk import SdkUse
from edgebuild.model.tree import TreeFacts
from edgebuild.workspace import PROJECT_FILE, Workspace, write_atomic

_FAMILIES = ("GLIBC", "GLIBCXX")
_SHOWN_FILES = 60


@dataclass(frozen=True)
class Bar:
    """What a file has to fit. kind: the key in JSON."""

    kind: str  # "target" or "contract"
    name: str
    provided: Provided
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True)
class Verdict:
    bar: Bar
    tree: TreeFacts
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Audit:
    """One artifact, as it was named, against every bar."""

    what: str
    tree: TreeFacts
    verdicts: tuple[Verdict, ...]


def complete_codes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [code for code in CODES if code.startswith(incomplete.upper())]


def _explain(ctx: click.Context, _param: click.Parameter, code: str | None) -> None:
    """An option that answers by itself: no artifact is needed."""
    if code is None:
        return
    if code.upper() not in CODES:
        msg = f"--explain: there is no code '{code}'"
        raise ConfigError(msg, "`edgebuild audit --codes` lists them.")
    click.echo(page(code.upper()).rstrip())
    ctx.exit()


def _list_codes(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        print_table([(code, each.kind, each.title) for code, each in CODES.items()], ("code", "kind", "meaning"))
        ctx.exit()


@click.command("audit")
@click.argument("whats", nargs=-1, required=True, metavar="WHAT...", type=Something())
@click.option(
    "--target",
    "-t",
    "targets",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_targets,
    help="A row, its alias.",
)
@click.option(
    "--contract",
    "contracts",
    multiple=True,
    metavar="NAME|FILE",
    shell_complete=complete_contracts,
    help="What a box has, e.g. as `edgebuild probe` wrote it.",
)
@json_option
@click.option("--sarif", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="For review pages.")
@click.option(
    "--link-map",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The linker's map (-Wl,-Map=FILE): names the library behind a symbol.",
)
@click.option(
    "--model", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="A model that goes with it."
)
@click.option("--no-isa", is_flag=True, help="Do not disassemble: quicker, and blind for instructions.")
@click.option(
    "--explain",
    metavar="CODE",
    expose_value=False,
    is_eager=True,
    callback=_explain,
    shell_complete=complete_codes,
    help="What a code means, how it is found, what to do.",
)
@click.option("--codes", is_flag=True, expose_value=False, is_eager=True, callback=_list_codes, help="List all codes.")
@reach_options
@click.pass_obj
def command(
    ctx: Context,
    /,
    whats: tuple[str, ...],
    targets: tuple[str, ...],
    contracts: tuple[str, ...],
    as_json: bool,
    sarif: Path | None,
    link_map: Path | None,
    model: str | None,
    no_isa: bool,
    **reach: Any,
) -> int:
    """Check artifacts against what boxes can load. Exit code 5: refused.

    WHAT: a file, folder, wheel, tar archive, Debian package, image archive or OCI layout; docker:IMAGE of the local
    engine; USER@HOST:/PATH on a box. A folder is audited as a whole: libraries in it find each other as on the box.

    \b
    edgebuild audit my.whl --contract box.yaml
    edgebuild audit out/app.tar.gz --target 'generic-*' --json
    edgebuild audit --explain A102
    """
    bars = tuple(_bars(targets, contracts, ctx.ws))
    if not bars:
        msg = "say for which boxes: --target ROW, or --contract NAME_OR_FILE"
        raise ConfigError(msg, "`edgebuild targets` lists the rows; `edgebuild probe USER@HOST` writes a contract.")
    lookup = origins(link_map) if link_map else None
    audits = []
    for what in whats:
        with at_hand(what, reach, ctx.ws) as place:
            verdicts = []
            for bar in bars:
                # Facts are kept, so only an image for several platforms is read more than once.
                arch = bar.provided.contract.arch
                tree = read_artifact(place, ws=ctx.ws, run=ctx.run, isa=not no_isa, arch=arch)
                tree = _with_model(tree, model, ctx.ws) if model else tree
                verdicts.append(_judge(tree, bar, lookup, link_map))
        audits.append(Audit(what, verdicts[0].tree, tuple(verdicts)))
    if sarif:
        write_atomic(sarif, json.dumps(render_sarif(_as_sarif(audits)), indent=2) + "\n")
    if as_json:
        print_json(_document(audits))
    else:
        _show(audits)
    for audited in audits:
        _note_unused(audited, ctx)
    return AuditError.exit_code if any(refusals(each.findings) for one in audits for each in one.verdicts) else 0


@contextmanager
def at_hand(what: str, reach: dict[str, Any], ws: Workspace) -> Iterator[str]:
    """What is named, fetched if it is on a box."""
    if is_on_box(what):
        with fetched_from_box(what, Wish(what, **reach), ws) as path:
            yield str(path)
    else:
        yield what


def _bars(targets: tuple[str, ...], contracts: tuple[str, ...], ws: Workspace) -> Iterator[Bar]:
    """What the project waives it waives on every box; a row waives for itself. So with SDKs that boxes have."""
    project: tuple[Waiver, ...] = ()
    uses: tuple[str | SdkUse, ...] = ()
    if (ws.project / PROJECT_FILE).is_file():
        found = current_project(ws)[0]
        project, uses = found.waivers, found.sdk
    for name in dict.fromkeys(name for pattern in targets for name in resolve_names(pattern)):
        row = load_row(name)
        provided = load_contract(row.contract, ws, where=f"{name}.yaml: contract")
        provided = with_sdks_of_box(provided, sdks_for(row.sdk, uses, name, provided.contract.arch, ws))
        yield Bar("target", name, provided, (*row.waivers, *project))
    for name in contracts:
        yield Bar("contract", name, load_contract(name, ws), project)


def _with_model(tree: TreeFacts, model: str, ws: Workspace) -> TreeFacts:
    others = read_artifact(model, ws=ws, isa=False).others
    if not any(other.kind == "model" for other in others):
        msg = f"--model: {model}: no model format that we know"
        raise ConfigError(msg, "formats are described beside the backends, in cpp_core/backends/*/model.yaml.")
    return msgspec.structs.replace(tree, others=(*tree.others, *others))


def _judge(tree: TreeFacts, bar: Bar, lookup: Lookup | None, link_map: Path | None) -> Verdict:
    findings = audit(tree, bar.provided, waivers=bar.waivers)
    if lookup and link_map:
        try:
            findings = attribute(findings, lookup, _files_of(link_map, tree))
        except OSError as err:
            msg = f"{link_map}: {err.filename or 'an input of that link'}: cannot be read ({err.strerror})"
            raise NotAvailable(msg) from err
    return Verdict(bar, tree, findings)


def _files_of(link_map: Path, tree: TreeFacts) -> tuple[str, ...] | None:
    """Files that a map is about: the one it is called after ("libfoo.so.map"), else any."""
    product = link_map.name.removesuffix(".map")
    return tuple(elf.name for elf in tree.elves if Path(elf.name).name == product) or None


# ---- For people ----


def _show(audits: list[Audit]) -> None:
    several = sum(len(each.verdicts) for each in audits) > 1
    closing = []
    for audited in audits:
        for each in audited.verdicts:
            title = plain(f"{audited.what} on {each.bar.name}")
            if each.findings:
                click.echo(f"# {title}" if several else "", nl=several)
                click.echo(render_findings(each.findings) + "\n")
            closing.append(f"{title}: {render_verdict(each.findings)}")
        if any(not refusals(each.findings) for each in audited.verdicts):
            _show_needs(audited.tree)
    click.echo("\n".join(closing))


def _show_needs(tree: TreeFacts) -> None:
    rows = [_row(elf.name, highest_versions(elf)) for elf in tree.elves]
    if not rows:
        return
    print_table(rows[:_SHOWN_FILES], ("file", *_FAMILIES))
    if len(rows) > _SHOWN_FILES:
        click.echo(f"and {len(rows) - _SHOWN_FILES} more; --json has them all")


def _row(name: str, highest: dict[str, str]) -> tuple[str, ...]:
    return (plain(name), *(highest.get(family, "-") for family in _FAMILIES))


def _note_unused(audited: Audit, ctx: Context) -> None:
    for each in audited.verdicts:
        for waiver in unused_waivers(each.findings, each.bar.waivers):
            ctx.ws.log.note(f"{each.bar.name}: the waiver of {waiver.code} ({waiver.reason}) covers nothing here")


# ---- For programs ----


def _document(audits: list[Audit]) -> dict[str, Any]:
    """One artifact: its document. Several: a list of such."""
    documents = [_one(each) for each in audits]
    return documents[0] if len(documents) == 1 else {"schema": "edgebuild.audits/2", "audits": documents}


def _one(audited: Audit) -> dict[str, Any]:
    return {
        "schema": "edgebuild.audit/2",
        "path": audited.what,
        "verdicts": [
            {
                each.bar.kind: each.bar.name,
                "verdict": verdict(each.findings),
                "findings": [msgspec.to_builtins(finding) for finding in each.findings if not finding.waived],
                "waived": [msgspec.to_builtins(finding) for finding in each.findings if finding.waived],
            }
            for each in audited.verdicts
        ],
        "files": [{"name": elf.name, "kind": elf.kind, "needs": highest_versions(elf)} for elf in audited.tree.elves],
    }


def _as_sarif(audits: list[Audit]) -> list[Audited]:
    return [
        Audited(_relative(one.what), one.tree.kind == "folder", each.bar.name, each.findings)
        for one in audits
        for each in one.verdicts
    ]


def _relative(what: str) -> str:
    """As a page below the current folder would call it; what lies elsewhere has its name only."""
    path = Path(what)
    if not path.is_absolute():
        return path.as_posix()
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name
