"""edgebuild sysroot import: a sysroot out of a live box, a root folder or an image, locked and proven."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import yaml

from edgebuild.build.root_source import FolderRoot
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.build.sysroot_import import Imported, Survey, receive, survey
from edgebuild.build.sysroot_links import Plan, without_link
from edgebuild.build.sysroot_proof import Proof, prove_sysroot
from edgebuild.build.toolchain_wheels import provide_tools
from edgebuild.commands.context import Context, Something, json_option, print_json, print_table
from edgebuild.commands.fleet import Wish, reach_options
from edgebuild.commands.sources import is_box, open_box, saved_image
from edgebuild.config.recipes import save_lock
from edgebuild.config.targets import load_toolchain, recipe_digest
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import ConfigError
from edgebuild.fetch import cached_path
from edgebuild.inputs import open_artifact
from edgebuild.model.arch import ARCHES, ArchName
from edgebuild.model.product import Sysroot
from edgebuild.model.recipe import ImportedTree, SysrootLock, SysrootRecipe
from edgebuild.model.rootfile import ImportWish, RootSource
from edgebuild.workspace import Workspace, write_atomic

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_TOOLCHAIN = "zig"  # whose clang and lld prove the sysroot
_SHOWN = 5
_HEADER = "# What `edgebuild sysroot import` took from a box; the lock beside it says which bytes.\n"


@click.command("import")
@click.argument("source", metavar="USER@HOST[:PORT]|FOLDER|IMAGE", type=Something())
@click.option("--as", "name", required=True, metavar="NAME", help="What the sysroot is called.")
@click.option("--also", multiple=True, metavar="PATH", help="A folder on the box to take as well: an SDK's.")
@click.option("--with-python", is_flag=True, help="The box's Python and its standard library as well.")
@click.option("--static", is_flag=True, help="Static libraries as well, where they fit the shared C library.")
@click.option("--archive", type=click.Path(path_type=Path, dir_okay=False), help="Write the archive there, too.")
@click.option("--url", default="", help="Where the archive will be found by other machines.")
@click.option("--arch", type=click.Choice([*ARCHES]), help="Of an image for several.")
@click.option("--dry-run", is_flag=True, help="List and choose only: what would be taken, and how much of it sent.")
@click.option("--no-test", is_flag=True, help="Without compiling, linking and running programs against it.")
@reach_options
@json_option
@click.pass_obj
def import_sysroot(
    ctx: Context,
    source: str,
    name: str,
    also: tuple[str, ...],
    with_python: bool,
    static: bool,
    archive: Path | None,
    url: str,
    arch: ArchName | None,
    dry_run: bool,
    no_test: bool,
    ssh_key: Path | None,
    known_hosts: Path | None,
    via: str | None,
    as_json: bool,
) -> None:
    """Take headers, libraries and start-up files of a box, to build against exactly what it has.

    From a live box over SSH (nothing is installed or written there), from its root folder (a mounted disk), or from an
    image: a reference in the local engine, a `docker save` file, an OCI layout, a tar of a root. Run again, it
    receives only what has changed; a transfer that was cut goes on.
    """
    file = _recipe_file(name, ctx.ws)
    wish = ImportWish(also=also, python=with_python, static=static)
    reach = Wish(source, ssh_key=ssh_key, known_hosts=known_hosts, via=via)
    with _open_root(source, reach, arch, ctx) as root:
        found = survey(root, wish, ws=ctx.ws)
        if dry_run:
            _show_survey(name, found, as_json)
            return
        imported = receive(name, root, found, ws=ctx.ws)
        title = f"{found.title}, imported from {root.title}"
    recipe = SysrootRecipe(
        title=title,
        distribution="imported",
        arch=found.arch.name,
        source=source,
        also=also,
        with_python=with_python,
        static=static,
        url=url,
    )
    lock = SysrootLock(recipe="", glibc=found.glibc, imported=_with_url(imported.tree, url))
    sysroot = provide_sysroot(name, recipe, lock, ws=ctx.ws)
    proof = None if no_test else _prove(sysroot, ctx)
    _save(file, recipe, lock)
    if archive:
        _copy_archive(imported, archive, ctx.ws)
    _show_import(name, file, sysroot, imported, proof, as_json)


def _recipe_file(name: str, ws: Workspace) -> Path:
    """Where the recipe will be. Raises ConfigError for a name that somebody else's sysroot has."""
    if not _NAME.fullmatch(name):
        msg = f"--as: '{name}' is not a name: small letters, digits, '-' and '.'"
        raise ConfigError(msg)
    there = ws.find("sysroots", f"{name}.yaml")
    if there.is_file() and load_yaml(there, SysrootRecipe).distribution != "imported":
        msg = f"--as: there is a sysroot '{name}' already, made from packages ({there})"
        raise ConfigError(msg, "choose another name.")
    return ws.project / "sysroots" / f"{name}.yaml"


@contextlib.contextmanager
def _open_root(source: str, reach: Wish, arch: ArchName | None, ctx: Context) -> Iterator[RootSource]:
    path = Path(source)
    if path.exists():
        with open_artifact(path.absolute(), ws=ctx.ws, arch=arch) as artifact:
            yield FolderRoot(artifact.root, title=source)
    elif is_box(source):
        with open_box(reach) as box:
            yield box
    else:
        with saved_image(source, ctx.ws) as saved, open_artifact(saved, ws=ctx.ws, arch=arch) as artifact:
            yield FolderRoot(artifact.root, title=source)


def _with_url(tree: ImportedTree, url: str) -> ImportedTree:
    return msgspec.structs.replace(tree, archive=msgspec.structs.replace(tree.archive, url=url))


def _prove(sysroot: Sysroot, ctx: Context) -> Proof:
    _, lock = load_toolchain(_TOOLCHAIN, ctx.ws)
    tools, _ = provide_tools(_TOOLCHAIN, lock, ws=ctx.ws)
    return prove_sysroot(sysroot, tools, ws=ctx.ws, run=ctx.run)


def _save(file: Path, recipe: SysrootRecipe, lock: SysrootLock) -> None:
    document = {key: value for key, value in msgspec.to_builtins(recipe).items() if value not in ("", [], (), False)}
    write_atomic(file, _HEADER + yaml.safe_dump(document, sort_keys=False, width=1000, allow_unicode=True))
    fitting = msgspec.structs.replace(lock, recipe=recipe_digest(file))
    save_lock(file.with_suffix(".lock"), fitting, made_by=f"edgebuild sysroot import {recipe.source} --as {file.stem}")


def _copy_archive(imported: Imported, place: Path, ws: Workspace) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(cached_path(imported.tree.archive, ws), place)


def _show_survey(name: str, found: Survey, as_json: bool) -> None:
    size_bytes = sum(file.size_bytes for file in found.plan.files.values())
    left_out = _left_out(found.plan)
    if as_json:
        print_json(
            {
                "schema": "edgebuild.sysroot-import/1",
                "name": name,
                "dry_run": True,
                "arch": found.arch.name,
                "glibc": found.glibc,
                "title": found.title,
                "files": len(found.plan.files),
                "size_bytes": size_bytes,
                "to_receive_bytes": found.wanted.size_bytes,
                "kinds": {kind: {"files": n, "size_bytes": size} for kind, (n, size) in _kinds(found).items()},
                **left_out,
            }
        )
        return
    rows = [(kind, str(count), f"{size / 1e6:.1f}") for kind, (count, size) in _kinds(found).items()]
    print_table(rows, ("kind", "files", "MB"))
    click.echo(
        f"{found.title}, glibc {found.glibc}, {found.arch.name}: {len(found.plan.files)} files, "
        f"{size_bytes / 1e6:.1f} MB, of which {found.wanted.size_bytes / 1e6:.1f} MB would be received"
    )
    _echo_left_out(left_out)


def _kinds(found: Survey) -> dict[str, tuple[int, int]]:
    """kind -> (files, bytes)."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for place, file in found.plan.files.items():
        counts[found.plan.kinds[place]] += 1
        sizes[found.plan.kinds[place]] += file.size_bytes
    return {kind: (counts[kind], sizes[kind]) for kind in sorted(counts)}


def _left_out(plan: Plan) -> dict[str, list[str]]:
    return {
        "static_left_out": sorted(plan.statics),
        "links_left_out": sorted(plan.nowhere),
        "links_repaired": [f"{place} -> {target}" for place, target in sorted(plan.repaired.items())],
        "doubles": list(plan.doubles),
        "without_link": list(without_link(plan)),
    }


_WORDS = {
    "static_left_out": "static libraries left out (--static takes those that fit)",
    "links_left_out": "links left out that lead to nothing",
    "links_repaired": "links repaired",
    "doubles": "files both in /lib and /usr/lib, that of /lib taken",
    "without_link": "libraries with headers but without the .so link that -l asks for",
    "foreign": "files left out that are for another machine",
    "stale": "static libraries left out that are of another C library",
    "damaged": "files left out that are neither ELF nor text",
    "unreadable": "files left out that this login may not read",
    "scripts": "linker scripts that name what is not there",
}


def _echo_left_out(left_out: dict[str, list[str]]) -> None:
    for key, found in left_out.items():
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            click.echo(f"{len(found)} {_WORDS[key]}: {', '.join(found[:_SHOWN])}{more}")


def _show_import(
    name: str, file: Path, sysroot: Sysroot, imported: Imported, proof: Proof | None, as_json: bool
) -> None:
    judgement = imported.judgement
    left_out = {
        **_left_out(imported.plan),
        "foreign": list(judgement.foreign),
        "stale": list(judgement.stale),
        "damaged": list(judgement.damaged),
        "scripts": list(judgement.scripts),
        "unreadable": list(imported.unreadable),
    }
    if as_json:
        print_json(
            {
                "schema": "edgebuild.sysroot-import/1",
                "name": name,
                "dry_run": False,
                "arch": sysroot.arch.name,
                "glibc": sysroot.glibc,
                "recipe": str(file),
                "path": str(sysroot.root),
                "tree": imported.tree.tree,
                "archive": msgspec.to_builtins(imported.tree.archive),
                "files": imported.tree.files,
                "size_bytes": imported.tree.size_bytes,
                "received_bytes": imported.received_bytes,
                "proof": msgspec.to_builtins(proof) if proof else None,
                **left_out,
            }
        )
        return
    _echo_left_out(left_out)
    tested = f"{' and '.join(proof.languages)} programs built and run with {proof.compiler}" if proof else "not tested"
    click.echo(
        f"{file}: {imported.tree.files} files, {imported.tree.size_bytes / 1e6:.0f} MB, glibc {sysroot.glibc}, {tested}"
    )
    if proof and "C++" not in proof.languages:
        click.echo("no C++ headers there, so C++ was not tested: libstdc++-N-dev has them")
    click.echo(f"archive: {imported.tree.archive.file} ({imported.tree.archive.size_bytes / 1e6:.0f} MB)")
