"""edgebuild toolchain: which there are, what one links against, one made ready and warm, its lock made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from edgebuild.build.toolchain import lock_toolchain, provide_toolchain
from edgebuild.commands.context import Context, complete_recipes, json_option, print_json, print_table
from edgebuild.commands.toolchain_import import import_toolchain
from edgebuild.config.recipes import find_recipe, load_toolchain_recipe, lock_matches, save_lock
from edgebuild.config.targets import load_sysroot, load_toolchain, recipe_digest, toolchain_spec
from edgebuild.errors import ConfigError
from edgebuild.fetch import keep_file
from edgebuild.model.arch import ARCHES
from edgebuild.model.project import ToolchainWish
from edgebuild.model.recipe import ClangRecipe, GccRecipe, ToolchainLock, ToolchainRecipe, ZigRecipe
from edgebuild.workspace import Workspace

_name = click.argument("name", shell_complete=complete_recipes("toolchains"))
_sysroot = click.option(
    "--sysroot", default="", metavar="NAME", shell_complete=complete_recipes("sysroots"),
    help="What a clang compiles against.",
)  # fmt: skip
_OF_SYSROOT = "the sysroot's"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list. targets, build_machines: architectures. glibc_floor: "the sysroot's" where it gets one."""

    name: str
    kind: str
    title: str
    glibc_floor: str
    targets: tuple[str, ...]
    build_machines: tuple[str, ...]


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What a toolchain links against: the newest glibc that anything can need. sysroot: with which one."""

    arch: str
    glibc: str
    sysroot: str = ""


@click.group("toolchain")
def command() -> None:
    """Provide, import, lock and list toolchains."""


command.add_command(import_toolchain)


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
        (each.name, each.kind, each.glibc_floor, ", ".join(each.targets), ", ".join(each.build_machines), each.title)
        for each in listing
    ]
    print_table(table, ("toolchain", "kind", "glibc floor", "compiles for", "runs on", "title"))


def _entry(name: str, ws: Workspace) -> Entry:
    recipe, lock = load_toolchain(name, ws)
    floors = {floor.glibc for floor in _floors(name, ws)} if not isinstance(recipe, ClangRecipe) else {_OF_SYSROOT}
    return Entry(
        name=name,
        kind=_kind(recipe),
        title=recipe.title,
        glibc_floor=", ".join(sorted(floors)),
        targets=_targets(recipe),
        build_machines=(lock.imported.build_machine,) if lock.imported else tuple(sorted(lock.wheels)),
    )


def _kind(recipe: ToolchainRecipe) -> str:
    return str(recipe.__struct_config__.tag)


def _targets(recipe: ToolchainRecipe) -> tuple[str, ...]:
    return (recipe.arch,) if isinstance(recipe, GccRecipe) else tuple(sorted(recipe.cpu))


def _floors(name: str, ws: Workspace) -> list[Floor]:
    """For every architecture; of a clang with every sysroot that things can be linked against."""
    recipe, lock = load_toolchain(name, ws)
    match recipe:
        case ZigRecipe():
            return [Floor(arch=arch, glibc=recipe.floor) for arch in sorted(recipe.cpu)]
        case GccRecipe():
            return [Floor(arch=recipe.arch, glibc=lock.imported.glibc if lock.imported else "")]
        case ClangRecipe():
            loaded = {sysroot: load_sysroot(sysroot, ws) for sysroot in ws.names("sysroots")}
            return [
                Floor(arch=of.arch, glibc=locked.glibc, sysroot=sysroot)
                for sysroot, (of, locked) in loaded.items()
                if of.arch in recipe.cpu and (of.distribution == "imported" or "libc6-dev" in of.packages)
            ]


@command.command("show")
@_name
@json_option
@click.pass_obj
def show(ctx: Context, name: str, as_json: bool) -> None:
    """What a toolchain is, and what it links against."""
    recipe, lock = load_toolchain(name, ctx.ws)
    floors = _floors(name, ctx.ws)
    facts: dict[str, Any] = {"kind": _kind(recipe), "title": recipe.title}
    if imported := lock.imported:
        facts |= {
            "gcc": imported.layout.gcc,
            "triple": imported.layout.triple,
            "glibc": imported.glibc,
            "glibcxx": imported.glibcxx,
            "archive": imported.archive.file,
            "sha256": imported.archive.sha256,
            **{f"a {language} program needs": needs for language, needs in imported.proven.items()},
        }
    elif not isinstance(recipe, GccRecipe):
        facts |= {"wheels": recipe.wheels, "cpu": recipe.cpu}
    facts |= {"c_flags": recipe.c_flags, "link_flags": recipe.link_flags}
    if as_json:
        document = {"name": name, **facts, "floors": [msgspec.to_builtins(floor) for floor in floors]}
        print_json({"schema": "edgebuild.toolchain-facts/1", **document})
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        text = " ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"{key.ljust(width)}  {text if isinstance(text, str) else ' '.join(text)}")
    click.echo("")
    rows = [(floor.arch, floor.glibc, floor.sysroot or "its own C library") for floor in floors]
    print_table(rows, ("compiles for", "at most glibc", "against"))


@command.command("provide")
@_name
@click.option("--arch", type=click.Choice(sorted(ARCHES)), default="aarch64", show_default=True, help="To compile for.")
@_sysroot
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Of an imported toolchain: the archive, from another machine.",
)
@json_option
@click.pass_obj
def provide(ctx: Context, name: str, arch: str, sysroot: str, archive: Path | None, as_json: bool) -> None:
    """Fetch, unpack and warm a toolchain, and print its folder."""
    spec = toolchain_spec(ToolchainWish(name=name, sysroot=sysroot), ctx.ws, where="--sysroot")
    if arch not in (targets := _targets(spec.recipe)):
        msg = f"toolchain '{name}' does not compile for {arch}"
        raise ConfigError(msg, f"it compiles for: {', '.join(targets)}.")
    if archive:
        if not spec.lock.imported:
            msg = f"toolchain '{name}' is made from wheels, not from an archive"
            raise ConfigError(msg, "leave out --archive.")
        keep_file(archive, spec.lock.imported.archive, ws=ctx.ws)
    toolchain = provide_toolchain(spec, ARCHES[arch], ws=ctx.ws, run=ctx.run)
    if as_json:
        print_json(
            {
                "schema": "edgebuild.toolchain/1",
                "name": name,
                "digest": toolchain.digest,
                "arch": arch,
                "glibc_floor": toolchain.floor,
                "sysroot": str(toolchain.sysroot or ""),
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
    recipe, digest, lock_file = load_toolchain_recipe(file), recipe_digest(file), file.with_suffix(".lock")
    if isinstance(recipe, GccRecipe):
        refresh = True  # and be told that there is nothing to ask
    if not refresh and lock_matches(lock_file, ToolchainLock, digest):
        click.echo(f"{lock_file}: fits already")
        return
    with ctx.ws.log.step(f"Asking the index for the wheels of {name}"):
        fresh = lock_toolchain(name, recipe, digest, ws=ctx.ws)
    save_lock(lock_file, fresh, made_by=f"edgebuild toolchain lock {name}")
    click.echo(f"{lock_file}: for build machines {', '.join(fresh.wheels)}")
