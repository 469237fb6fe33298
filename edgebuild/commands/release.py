"""edgebuild release: built artifacts of several rows become one signed folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from edgebuild.commands.artifact import load_artifact
from edgebuild.commands.context import Context, complete_targets, current_project, json_option, print_json, print_table
from edgebuild.commands.key import key_option, trusted_file
from edgebuild.config.project import project_version, require_releasable
from edgebuild.config.targets import load_row, resolve_names
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.product import Artifact
from edgebuild.model.project import Format, Project
from edgebuild.model.release import Release
from edgebuild.package.seal import describe, seal
from edgebuild.package.sign import PublicKey, default_key_file, load_key, load_trusted
from edgebuild.workspace import Workspace


@click.command("release")
@click.option(
    "--target", "-t", "targets",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_targets,
    help="A row, alias or family; may be repeated (default: all rows of edgebuild.yaml).",
)  # fmt: skip
@click.option("--format", "formats", multiple=True, type=click.Choice(get_args(Format)), help="Only this format.")
@key_option
@click.option("--version", "name", metavar="V", help="What to call the release (default: the project's version).")
@json_option
@click.pass_obj
def command(
    ctx: Context, targets: tuple[str, ...], formats: tuple[Format, ...], key: Path | None, name: str, as_json: bool
) -> None:
    """Seal and sign what was built, as out/releases/NAME-VERSION."""
    project, folder = current_project(ctx.ws)
    signer = load_key(key or default_key_file())
    rows = dict.fromkeys(row for target in targets for row in resolve_names(target)) or project.targets
    artifacts = [_artifact(row, formats or _formats_of(row, project), ctx.ws) for row in rows]
    version = _one_version(artifacts) if name else project_version(project, folder, ctx.run)
    for artifact in artifacts:
        _require_version(artifact, version)
    with ctx.ws.log.step(f"Sealing {project.name}-{name or version}"):
        release = describe(
            project,
            artifacts,
            version=name or version,
            out=ctx.ws.out,
            containers={row: load_row(row).container for row in rows},
        )
        place = seal(release, signer, ws=ctx.ws)
    trusted = trusted_file(ctx.ws)
    if signer.public.raw not in {each.raw for each in load_trusted(trusted)}:
        ctx.ws.log.note(f"{trusted} does not list {signer.public.id}, so `edgebuild deploy` would refuse this")
        ctx.ws.log.note(f"the line to add, if boxes are to take what this key signs: {signer.public.line}")
    if as_json:
        print_json(release_document("edgebuild.sealed/1", place, release, signer.public))
    else:
        click.echo(place)
        print_release(release)


def release_document(schema: str, place: Path, release: Release, key: PublicKey) -> dict[str, Any]:
    """What there is to say of a release, without its lists of files."""
    rows = {
        row.target: [
            {"format": each.format, "id": each.id, "archive": each.archive, "files": len(each.files)}
            | {"sha256": each.sha256, "size_bytes": each.size_bytes}
            for each in row.payloads
        ]
        for row in release.rows.values()
    }
    facts = {"path": str(place), "name": release.name, "version": release.version, "key": key.id, "rows": rows}
    return {"schema": schema, **facts}


def print_release(release: Release) -> None:
    """A line for each archive. An image's files are not listed."""
    table = [
        (row.target, each.format, each.id, str(len(each.files) or "-"), f"{each.size_bytes / 1e6:.1f}", each.archive)
        for row in release.rows.values()
        for each in row.payloads
    ]
    print_table(table, ("row", "format", "id", "files", "MB", "archive"))


def _formats_of(row: str, project: Project) -> tuple[Format, ...]:
    return project.formats_of(row, has_base=bool(load_row(row).image))


def _artifact(row: str, formats: Collection[Format], ws: Workspace) -> Artifact:
    """What was built for a row, with the wanted products only. Raises NotAvailable, which names the build command."""
    artifact = load_artifact(row, ws)
    products = tuple(each for each in artifact.products if each.kind in formats)
    if missing := sorted(set(formats) - {each.kind for each in products}):
        msg = f"{ws.out / row}: '{row}' was built without {' and '.join(missing)}"
        wish = " ".join(f"--format {each}" for each in formats)
        raise NotAvailable(msg, f"`edgebuild build --target {row} {wish}` makes it.")
    if artifact.core_only:
        ws.log.note(f"{row} was built with --core-only: it reads neither video nor JPEG")
    return msgspec.structs.replace(artifact, products=products)


def _one_version(artifacts: Sequence[Artifact]) -> str:
    versions = {each.version: each.target for each in artifacts}
    if len(versions) > 1:
        listed = ", ".join(f"{target} is {version}" for version, target in sorted(versions.items()))
        msg = f"the rows were not built from one version: {listed}"
        raise ConfigError(msg, "`edgebuild build --all` builds them from what is here now.")
    return next(iter(versions))


def _require_version(artifact: Artifact, version: str) -> None:
    require_releasable(artifact.version)
    if artifact.version != version:
        msg = f"{artifact.target} was built as version {artifact.version}, the project is at {version} now"
        raise ConfigError(msg, f"`edgebuild build --target {artifact.target}` builds it again.")
