"""edgebuild sysroot: which there are, one made ready, its lock made anew, its folder for other tools."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edgebuild.build.sysroot import keep_archive, lock_sysroot, provide_sysroot, sysroot_digest
from edgebuild.commands.context import Context, complete_recipes, json_option, print_json, print_table
from edgebuild.commands.sysroot_import import import_sysroot
from edgebuild.config.recipes import find_recipe, lock_matches, save_lock
from edgebuild.config.targets import load_sysroot, recipe_digest
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.recipe import SysrootLock, SysrootRecipe
from edgebuild.workspace import Workspace

_name = click.argument("name", shell_complete=complete_recipes("sysroots"))


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list. provided: it is in the cache. files: of an imported one, which has no packages."""

    name: str
    title: str
    arch: str
    glibc: str
    packages: int
    files: int
    download_bytes: int
    provided: bool


@click.group("sysroot")
def command() -> None:
    """Provide, import, lock and list sysroots."""


command.add_command(import_sysroot)


@command.command("list")
@json_option
@click.pass_obj
def list_sysroots(ctx: Context, as_json: bool) -> None:
    """Every sysroot, and whether it is in the cache."""
    listing = [_entry(name, ctx.ws) for name in ctx.ws.names("sysroots")]
    if as_json:
        print_json({"schema": "edgebuild.sysroots/1", "sysroots": [msgspec.to_builtins(each) for each in listing]})
        return
    table = [
        (
            each.name,
            each.arch,
            each.glibc,
            f"{f'{each.files} files' if each.files else each.packages} ({each.download_bytes / 1e6:.0f} MB)",
            "yes" if each.provided else "no",
            each.title,
        )
        for each in listing
    ]
    print_table(table, ("sysroot", "arch", "glibc", "packages", "provided", "title"))


def _entry(name: str, ws: Workspace) -> Entry:
    recipe, lock = load_sysroot(name, ws)
    downloads = (lock.imported.archive,) if lock.imported else lock.packages
    return Entry(
        name=name,
        title=recipe.title,
        arch=recipe.arch,
        glibc=lock.glibc,
        packages=len(lock.packages),
        files=lock.imported.files if lock.imported else 0,
        download_bytes=sum(each.size_bytes for each in downloads),
        provided=ws.product("sysroots", name, sysroot_digest(recipe, lock)).is_dir(),
    )


@command.command("provide")
@_name
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Of an imported sysroot: the archive that another machine has made.",
)
@json_option
@click.pass_obj
def provide(ctx: Context, name: str, archive: Path | None, as_json: bool) -> None:
    """Fetch and unpack a sysroot, and print its folder."""
    recipe, lock = load_sysroot(name, ctx.ws)
    if archive:
        keep_archive(name, archive, lock, ws=ctx.ws)
    sysroot = provide_sysroot(name, recipe, lock, ws=ctx.ws)
    if as_json:
        print_json(
            {
                "schema": "edgebuild.sysroot/1",
                "name": name,
                "digest": sysroot.digest,
                "arch": sysroot.arch.name,
                "glibc": sysroot.glibc,
                "path": str(sysroot.root),
            }
        )
    else:
        click.echo(sysroot.root)


@command.command("path")
@_name
@click.pass_obj
def path(ctx: Context, name: str) -> None:
    """Print the folder of a sysroot that is in the cache; never fetch."""
    recipe, lock = load_sysroot(name, ctx.ws)
    folder = ctx.ws.product("sysroots", name, sysroot_digest(recipe, lock))
    if not folder.is_dir():
        msg = f"sysroot '{name}' is not in the cache"
        raise NotAvailable(msg, f"`edgebuild sysroot provide {name}` makes it.")
    click.echo(folder)


@command.command("lock")
@_name
@click.option("--refresh", is_flag=True, help="Take what the mirror has now, even if the lock fits the recipe.")
@click.pass_obj
def lock(ctx: Context, name: str, refresh: bool) -> None:
    """Resolve a sysroot's packages and write its lock, unless the lock fits the recipe already."""
    file = find_recipe("sysroots", name, ctx.ws)
    recipe, digest, lock_file = load_yaml(file, SysrootRecipe), recipe_digest(file), file.with_suffix(".lock")
    if recipe.distribution == "imported":
        msg = f"sysroot '{name}' was imported, so there are no packages to resolve"
        raise ConfigError(msg, f"`edgebuild sysroot import {recipe.source} --as {name}` takes what the source has now.")
    if not refresh and lock_matches(lock_file, SysrootLock, digest):
        click.echo(f"{lock_file}: fits already")
        return
    with ctx.ws.log.step(f"Resolving the packages of {name}"):
        fresh = lock_sysroot(recipe, digest, ws=ctx.ws, run=ctx.run)
    save_lock(lock_file, fresh, made_by=f"edgebuild sysroot lock {name}")
    click.echo(f"{lock_file}: {len(fresh.packages)} packages, glibc {fresh.glibc}")
