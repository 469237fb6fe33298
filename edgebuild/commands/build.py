"""edgebuild build: from sources to an audited artifact in out/ROW/."""

from __future__ import annotations

import click
import msgspec

from edgebuild.commands.context import Context, complete_targets, json_option, print_json
from edgebuild.commands.stages import build
from edgebuild.config.targets import load_target, resolve_names, row_names
from edgebuild.errors import ConfigError
from edgebuild.model.target import TargetSpec


@click.command("build")
@click.option("--target", "-t", metavar="NAME", shell_complete=complete_targets, help="A row, alias or family ('x-*').")
@click.option("--all", "every", is_flag=True, help="Every row.")
@click.option("--core-only", is_flag=True, help="Without FFmpeg, JPEG, wheels and tests: needs no apt.")
@json_option
@click.pass_obj
def command(ctx: Context, target: str | None, every: bool, core_only: bool, as_json: bool) -> None:
    """Cross-compile for a target and prove that the box can load the result."""
    if every == (target is not None):
        msg = "say either --target NAME or --all"
        raise ConfigError(msg, "`edgebuild targets` lists the names.")
    specs = [load_target(name, ctx.ws) for name in (row_names() if every else resolve_names(target or ""))]
    if core_only:
        specs = [without_distribution(spec) for spec in specs]
    artifacts = [build(spec, ws=ctx.ws, run=ctx.run) for spec in specs]
    if as_json:
        print_json({"schema": "edgebuild.build/1", "artifacts": [msgspec.to_builtins(each) for each in artifacts]})
        return
    for artifact in artifacts:
        folder = ctx.ws.out / artifact.target
        for product in artifact.products:
            click.echo(f"{folder / product.path}  {product.size_bytes / 1e6:.1f} MB")


def without_distribution(target: TargetSpec) -> TargetSpec:
    """The row without what comes through a distribution's packages: Python headers, FFmpeg, JPEG, doctest."""
    row = msgspec.structs.replace(target.row, python=())
    return msgspec.structs.replace(target, row=row, core_only=True)
