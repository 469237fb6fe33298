"""edgebuild build: from sources to an audited artifact in out/ROW/."""

from __future__ import annotations

import dataclasses
from typing import get_args

import click
import msgspec

from edgebuild.commands.artifact import made_ns
from edgebuild.commands.context import (
    Context,
    complete_recipes,
    complete_targets,
    current_project,
    json_option,
    print_json,
)
from edgebuild.commands.report import (
    BuildReport,
    RowReport,
    as_document,
    build_report,
    floor_line,
    noted_cores,
    render_report,
    row_report,
)
from edgebuild.commands.stages import Request, build
from edgebuild.config.project import project_version
from edgebuild.config.sdk import sdks_for, withheld_sdks
from edgebuild.config.targets import glibc_beyond, load_target, resolve_names
from edgebuild.errors import ConfigError
from edgebuild.model.cost import since, spent
from edgebuild.model.product import Artifact
from edgebuild.model.project import Format, ToolchainWish
from edgebuild.workspace import PROJECT_FILE

FORMATS: tuple[Format, ...] = get_args(Format)


@click.command("build")
@click.option("--target", "-t", metavar="NAME", shell_complete=complete_targets, help="A row, alias or family ('x-*').")
@click.option("--all", "every", is_flag=True, help="Every row that the project is for.")
@click.option("--format", "formats", multiple=True, type=click.Choice(FORMATS), help="Instead of edgebuild.yaml's.")
@click.option("--core-only", is_flag=True, help="The core without FFmpeg, JPEG, wheels, tests, images: needs no apt.")
@click.option(
    "--toolchain", metavar="NAME", shell_complete=complete_recipes("toolchains"), help="Instead of the row's."
)
@click.option(
    "--sysroot", metavar="NAME", shell_complete=complete_recipes("sysroots"), help="What --toolchain compiles against."
)
@json_option
@click.pass_obj
def command(
    ctx: Context,
    target: str | None,
    every: bool,
    formats: tuple[Format, ...],
    core_only: bool,
    toolchain: str | None,
    sysroot: str | None,
    as_json: bool,
) -> None:
    """Cross-compile for a target and prove that the box can load the result.

    In or below a folder with edgebuild.yaml that project is built, elsewhere the core.
    """
    if every == (target is not None):
        msg = "say either --target NAME or --all"
        raise ConfigError(msg, "`edgebuild targets` lists the names.")
    if sysroot and not toolchain:
        msg = "--sysroot: it is what a toolchain compiles against, and no --toolchain is named"
        raise ConfigError(msg, f"--toolchain clang --sysroot {sysroot}.")
    asked = ToolchainWish(name=toolchain, sysroot=sysroot or "") if toolchain else None
    project, folder = current_project(ctx.ws)
    if core_only and folder != ctx.ws.core_source:
        msg = f"--core-only: '{project.name}' is a project of its own, and only the core can do without its parts"
        raise ConfigError(msg, "leave it out.")
    version = project_version(project, folder, ctx.run)
    requests = []
    for name in project.targets if every else resolve_names(target or ""):
        wished, where = (asked, "--toolchain") if asked else (project.toolchain_of(name), PROJECT_FILE)
        spec = load_target(name, ctx.ws, wished=wished, where=where if wished else "")
        if glibc_beyond(spec.toolchain, spec.contract):
            newer = f"'{spec.contract.title}' has {spec.contract.glibc}; what is really needed, the audit finds"
            ctx.ws.log.note(f"{name}: {spec.toolchain.words} is newer than the box's: {newer}")
        wanted = formats or project.formats_of(name, has_base=spec.image is not None)
        # The core opens vendors' libraries at run time, and is compiled once for all rows.
        own = folder != ctx.ws.core_source
        sdks = sdks_for(spec.row.sdk, project.sdk, name, spec.arch.name, ctx.ws) if own else ()
        request = Request(spec, project, folder, version, wanted, sdks, withheld_sdks(ctx.ws))
        requests.append(without_distribution(request) if core_only else request)
    for request in requests:
        require_packable(request, explicit=bool(formats))
    artifacts, report = build_rows(requests, ctx)
    for line in render_report(report) if len(artifacts) > 1 else map(floor_line, report.rows):
        ctx.ws.log.note(line)
    if as_json:
        made = [msgspec.to_builtins(each) for each in artifacts]
        print_json({"schema": "edgebuild.build/1", "artifacts": made, "report": as_document(report)})
        return
    for artifact in artifacts:
        for product in artifact.products:
            click.echo(f"{ctx.ws.out / artifact.target / product.path}  {product.size_bytes / 1e6:.1f} MB")


def build_rows(requests: list[Request], ctx: Context) -> tuple[list[Artifact], BuildReport]:
    """One after the other; what rows share the first one makes."""
    known = noted_cores(ctx.ws)
    artifacts: list[Artifact] = []
    rows: list[RowReport] = []
    for request in requests:
        target, start = request.target, spent()
        before_ns = made_ns(target.name, ctx.ws)
        artifacts.append(build(request, ws=ctx.ws, run=ctx.run))
        reused = made_ns(target.name, ctx.ws) == before_ns
        rows.append(row_report(target, artifacts[-1], since(start), reused=reused))
    return artifacts, build_report(rows, known=known, ws=ctx.ws)


def require_packable(request: Request, *, explicit: bool) -> None:
    """Said before the first download rather than after the last compilation. Raises ConfigError."""
    if "image" not in request.formats:
        return
    if request.target.core_only and explicit:
        msg = "--format image: an image's base comes through a distribution's packages, which --core-only does without"
        raise ConfigError(msg, "leave one of the two out.")
    if not request.target.image and not request.target.core_only:
        msg = f"format: target '{request.target.name}' has no container base, so there can be no image"
        raise ConfigError(msg, "name one in the row (`image: NAME`, images/NAME.yaml), or leave image out.")
    if not request.project.run:
        msg = "format: image: edgebuild.yaml says no `run`, so an image would not know what to start"
        raise ConfigError(msg, "say `run: bin/NAME ...`.")


def without_distribution(request: Request) -> Request:
    """Without what comes through a distribution's packages: Python headers, FFmpeg, JPEG, doctest, image base."""
    target = msgspec.structs.replace(request.target, pythons=(), core_only=True, image=None)
    return dataclasses.replace(request, target=target)
