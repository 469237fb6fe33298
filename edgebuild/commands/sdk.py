"""edgebuild sdk: vendors' SDKs that were imported, to link one's own engine against."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from edgebuild.build.sdk import lacking, provide_sdk, sdk_tree
from edgebuild.commands.context import Context, json_option, print_json, print_table
from edgebuild.commands.sdk_import import import_sdk
from edgebuild.commands.sdk_show import document_of, echo_sdk
from edgebuild.config.sdk import load_backend_functions, load_sdk, remove_sdk, sdk_names
from edgebuild.errors import ConfigError
from edgebuild.fetch import cached_path, keep_file
from edgebuild.log import Log
from edgebuild.workspace import Workspace, find_project


def complete_sdks(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Tab completion. No command has begun then, so there is no Context."""
    folder = find_project(Path.cwd()) or Path.cwd()
    ws = Workspace.open(project=folder, out=None, log=Log(quiet=True))
    return [name for name in sdk_names(ws) if name.startswith(incomplete)]


_name = click.argument("name", shell_complete=complete_sdks)


@click.group("sdk")
def command() -> None:
    """Import vendors' SDKs, list and show them."""


command.add_command(import_sdk)


@command.command("list")
@json_option
@click.pass_obj
def list_sdks(ctx: Context, as_json: bool) -> None:
    """Every SDK of this project."""
    sdks = [load_sdk(name, ctx.ws) for name in sdk_names(ctx.ws)]
    if as_json:
        documents = [document_of(sdk_tree(sdk, ctx.ws), ()) for sdk in sdks]
        print_json({"schema": "edgebuild.sdks/1", "sdks": documents})
        return
    rows = [
        (
            sdk.name,
            sdk.recipe.version,
            sdk.recipe.arch,
            str(len(sdk.lock.libraries)),
            sdk.recipe.licence.name,
            "yes" if sdk.recipe.redistributable else "no",
            "yes" if sdk_tree(sdk, ctx.ws).folder.is_dir() else "no",
            sdk.recipe.title,
        )
        for sdk in sdks
    ]
    print_table(rows, ("sdk", "version", "arch", "libraries", "licence", "may ship", "provided", "title"))


@command.command("show")
@_name
@json_option
@click.pass_obj
def show(ctx: Context, name: str, as_json: bool) -> None:
    """What an SDK has, how CMake asks for it, and what our backends miss in it."""
    sdk = load_sdk(name, ctx.ws)
    lacks = lacking(sdk, load_backend_functions(ctx.ws))
    tree = sdk_tree(sdk, ctx.ws)
    if as_json:
        print_json(document_of(tree, lacks))
    else:
        echo_sdk(tree, lacks)


@command.command("provide")
@_name
@click.option(
    "--archive", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="As another machine has packed it."
)
@json_option
@click.pass_obj
def provide(ctx: Context, name: str, archive: Path | None, as_json: bool) -> None:
    """Unpack an SDK into the cache, and print its prefix."""
    sdk = load_sdk(name, ctx.ws)
    if archive:
        keep_file(archive, sdk.lock.archive, ws=ctx.ws)
    tree = provide_sdk(sdk, ws=ctx.ws)
    if as_json:
        print_json(document_of(tree, ()))
    else:
        click.echo(tree.prefix)


@command.command("remove")
@_name
@click.option("--cached", is_flag=True, help="Its files in the cache, too, which other projects may use.")
@json_option
@click.pass_obj
def remove(ctx: Context, name: str, cached: bool, as_json: bool) -> None:
    """Forget an SDK: its record in this project goes."""
    if name not in sdk_names(ctx.ws):
        load_sdk(name, ctx.ws)  # says what there is
    try:
        sdk = load_sdk(name, ctx.ws)
    except ConfigError:  # a record that nobody can read goes, too
        sdk = None
    remove_sdk(name, ctx.ws)
    if sdk and cached:
        shutil.rmtree(sdk_tree(sdk, ctx.ws).folder, ignore_errors=True)
        cached_path(sdk.lock.archive, ctx.ws).unlink(missing_ok=True)
    if as_json:
        print_json({"schema": "edgebuild.sdk-removed/1", "name": name, "cached": cached})
    else:
        click.echo(
            f"{name}: removed" + ("" if cached else "; its files in the cache stay (with --cached they go, too)")
        )
