"""edgebuild toolchain: which there are, one made ready and warm, its lock made anew."""

from __future__ import annotations

import click
import msgspec

from edgebuild.build.toolchain import lock_toolchain, provide_toolchain
from edgebuild.commands.context import Context, complete_recipes, json_option, print_json, print_table
from edgebuild.config.recipes import find_recipe, lock_matches, save_lock
from edgebuild.config.targets import load_toolchain, recipe_digest
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import ConfigError
from edgebuild.model.arch import ARCHES
from edgebuild.model.recipe import ToolchainLock, ToolchainRecipe
from edgebuild.workspace import Workspace

_name = click.argument("name", shell_complete=complete_recipes("toolchains"))


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list. targets, build_machines: architectures."""

    name: str
    title: str
    glibc_floor: str
    targets: tuple[str, ...]
    build_machines: tuple[str, ...]


@click.group("toolchain")
def command() -> None:
    """Provide, lock and list toolchains."""


@command.command("list")
@json_option
@click.pass_obj
def list_toolchains(ctx: Context, as_json: bool) -> None:
    """Every toolchain, what it compiles for and where it runs."""
    listing = [_entry(name, ctx.ws) for name in ctx.ws.names("toolchains")]
    if as_json:
        print_json({"schema": "edgebuild.toolchains/1", "toolchains": [msgspec.to_builtins(each) for each in listing]})
        return
    table = [
        (each.name, each.glibc_floor, ", ".join(each.targets), ", ".join(each.build_machines), each.title)
        for each in listing
    ]
    print_table(table, ("toolchain", "glibc floor", "compiles for", "runs on", "title"))


def _entry(name: str, ws: Workspace) -> Entry:
    recipe, lock = load_toolchain(name, ws)
    return Entry(
        name=name,
        title=recipe.title,
        glibc_floor=recipe.floor,
        targets=tuple(sorted(recipe.cpu)),
        build_machines=tuple(sorted(lock.wheels)),
    )


@command.command("provide")
@_name
@click.option("--arch", type=click.Choice(sorted(ARCHES)), default="aarch64", show_default=True, help="To compile for.")
@json_option
@click.pass_obj
def provide(ctx: Context, name: str, arch: str, as_json: bool) -> None:
    """Fetch, unpack and warm a toolchain, and print its folder."""
    recipe, lock = load_toolchain(name, ctx.ws)
    if arch not in recipe.cpu:
        msg = f"toolchain '{name}' does not compile for {arch}"
        raise ConfigError(msg, f"it compiles for: {', '.join(sorted(recipe.cpu))}.")
    toolchain = provide_toolchain(name, recipe, lock, ARCHES[arch], ws=ctx.ws, run=ctx.run)
    if as_json:
        print_json(
            {
                "schema": "edgebuild.toolchain/1",
                "name": name,
                "digest": toolchain.digest,
                "arch": arch,
                "glibc_floor": toolchain.floor,
                "path": str(toolchain.root),
                "cc": str(toolchain.cc),
                "cxx": str(toolchain.cxx),
                "c_flags": toolchain.c_flags,
                "link_flags": toolchain.link_flags,
            }
        )
    else:
        click.echo(toolchain.root)


@command.command("lock")
@_name
@click.option("--refresh", is_flag=True, help="Ask the index again, even if the lock fits the recipe.")
@click.pass_obj
def lock(ctx: Context, name: str, refresh: bool) -> None:
    """Write the sha256 of a toolchain's wheels into its lock, unless the lock fits the recipe already."""
    file = find_recipe("toolchains", name, ctx.ws)
    recipe, digest, lock_file = load_yaml(file, ToolchainRecipe), recipe_digest(file), file.with_suffix(".lock")
    if not refresh and lock_matches(lock_file, ToolchainLock, digest):
        click.echo(f"{lock_file}: fits already")
        return
    with ctx.ws.log.step(f"Asking the index for the wheels of {name}"):
        fresh = lock_toolchain(recipe, digest, ws=ctx.ws)
    save_lock(lock_file, fresh, made_by=f"edgebuild toolchain lock {name}")
    click.echo(f"{lock_file}: for build machines {', '.join(fresh.wheels)}")
