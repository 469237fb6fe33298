"""edgebuild toolchain import: an extracted GCC, or its archive, checked, locked and proven."""

from __future__ import annotations

import re
from pathlib import Path

import click
import msgspec
import yaml

from edgebuild.build.gcc_archive import keep_archive_of
from edgebuild.build.gcc_layout import Found, find_compilers, find_layout
from edgebuild.build.toolchain import provide_toolchain
from edgebuild.build.toolchain_gcc import forgotten_if_refused, provide_gcc_tree
from edgebuild.build.toolchain_proof import prove_toolchain
from edgebuild.commands.context import Context, Something, json_option, print_json, require_file_or_folder
from edgebuild.config.recipes import load_toolchain_recipe, save_lock
from edgebuild.config.targets import recipe_digest, toolchain_spec
from edgebuild.errors import ConfigError
from edgebuild.model.arch import host_arch
from edgebuild.model.product import Toolchain
from edgebuild.model.project import ToolchainWish
from edgebuild.model.recipe import Download, GccRecipe, ImportedGcc, ToolchainLock
from edgebuild.model.target import ToolchainSpec
from edgebuild.workspace import Workspace, write_atomic

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_OWN_TITLE = re.compile(r"GCC \S+ for \S+, glibc \S+")  # as _spec() gives it; any other is somebody's
_HOST = "zig"  # whose compilers make what runs on the build machine
_HEADER = "# What `edgebuild toolchain import` has found; the lock beside it says which bytes, and what is where.\n"
# As in toolchains/zig.yaml: one answer on every CPU, kernels with 64 KiB pages, debug information that can be found.
_C_FLAGS = ("-ffp-contract=off",)
_LINK_FLAGS = ("-Wl,-z,max-page-size=65536", "-Wl,--build-id=sha1")


@click.command("import")
@click.argument("source", metavar="ARCHIVE|FOLDER", type=Something(exists=True, path_type=Path))
@click.option("--as", "name", required=True, metavar="NAME", help="What the toolchain is called.")
@click.option("--triple", default="", metavar="TRIPLE", help="Of several compilers the one called TRIPLE-g++.")
@click.option("--url", default="", help="Where the archive can be fetched from by other machines.")
@json_option
@click.pass_obj
def import_toolchain(ctx: Context, source: Path, name: str, triple: str, url: str, as_json: bool) -> None:
    """Take a GCC cross toolchain as it came: gcc-linaro-*.tar.xz, Bootlin's, a distribution's unpacked packages.

    It is unpacked into the cache, checked (do its programs run here, which C library and libstdc++ has it), repaired
    where it was made for another place, and has to compile, link and run a C and a C++17 program. Run again after an
    interruption, it goes on where it was.
    """
    require_file_or_folder(source)
    ws, title = ctx.ws, source.name or str(source)
    file = _recipe_file(name, ws)
    if source.is_dir():
        with ws.log.step(f"Looking through {source}"):
            find_compilers(source, title, triple)  # before everything in a wrong folder is packed
    with ws.lock(f"import-{name}"):
        with ws.log.step(f"Taking {source} into the cache"):
            archive = keep_archive_of(source.absolute(), name, ws=ws)
        with forgotten_if_refused(archive, ws=ws):
            tree = provide_gcc_tree(name, archive, ws=ws)
            with ws.log.step("Looking for the compiler, its libraries and its C library"), ws.scratch("gcc") as scratch:
                compilers = find_compilers(tree, title, triple)
                found = find_layout(tree, compilers, title, scratch=scratch, run=ctx.run)
            spec = _spec(name, source, url, archive, found, ws)
            toolchain = provide_toolchain(spec, found.arch, ws=ws, run=ctx.run)
            runtime = tuple(tree / folder for folder in found.layout.runtime)
            proven = prove_toolchain(toolchain, tree, runtime, ws=ws, run=ctx.run)
        assert spec.lock.imported
        imported = msgspec.structs.replace(spec.lock.imported, proven=proven)
        _save(file, spec, imported, ws)
    _show(name, file, toolchain, imported, as_json)


def _recipe_file(name: str, ws: Workspace) -> Path:
    """Where the recipe will be. Raises ConfigError for a name that another kind of toolchain has."""
    if not _NAME.fullmatch(name):
        msg = f"--as: '{name}' is not a name: small letters, digits, '-' and '.'"
        raise ConfigError(msg)
    there = ws.find("toolchains", f"{name}.yaml")
    if there.is_file() and not _earlier_recipe(name, ws):
        msg = f"--as: there is a toolchain '{name}' already, which was not imported ({there})"
        raise ConfigError(msg, "choose another name.")
    return ws.project / "toolchains" / f"{name}.yaml"


def _earlier_recipe(name: str, ws: Workspace) -> GccRecipe | None:
    """Of an earlier import. Raises ConfigError for one that cannot be read."""
    there = ws.find("toolchains", f"{name}.yaml")
    recipe = load_toolchain_recipe(there) if there.is_file() else None
    return recipe if isinstance(recipe, GccRecipe) else None


def _spec(name: str, source: Path, url: str, archive: Download, found: Found, ws: Workspace) -> ToolchainSpec:
    """Flags and host that somebody has edited stay; title and address do for the same source."""
    layout, before = found.layout, _earlier_recipe(name, ws)
    same = before if before and before.source == str(source) else None
    title = same.title if same and not _OWN_TITLE.fullmatch(same.title) else ""
    recipe = GccRecipe(
        title=title or f"GCC {layout.gcc} for {layout.triple}, glibc {found.glibc}",
        arch=found.arch.name,
        host=before.host if before else _HOST,
        source=str(source),
        url=url or (same.url if same else ""),
        c_flags=before.c_flags if before else _C_FLAGS,
        link_flags=before.link_flags if before else _LINK_FLAGS,
    )
    imported = ImportedGcc(
        archive=msgspec.structs.replace(archive, url=recipe.url),
        build_machine=host_arch().name,
        layout=layout,
        glibc=found.glibc,
        glibcxx=found.glibcxx,
    )
    lock = ToolchainLock(recipe="", imported=imported)
    return ToolchainSpec(name=name, recipe=recipe, lock=lock, host=toolchain_spec(ToolchainWish(name=recipe.host), ws))


def _save(file: Path, spec: ToolchainSpec, imported: ImportedGcc, ws: Workspace) -> None:
    """The recipe last: its file makes the toolchain known, and one without a lock would stop every list of them."""
    document = {key: value for key, value in msgspec.to_builtins(spec.recipe).items() if value not in ("", [], ())}
    text = _HEADER + yaml.safe_dump(document, sort_keys=False, width=1000, allow_unicode=True)
    made_by = " ".join(f"edgebuild toolchain import {document['source']} --as {spec.name}".split())
    with ws.scratch("recipe") as scratch:
        write_atomic(scratch / file.name, text)
        lock = ToolchainLock(recipe=recipe_digest(scratch / file.name), imported=imported)
    save_lock(file.with_suffix(".lock"), lock, made_by=made_by)
    write_atomic(file, text)


def _show(name: str, file: Path, toolchain: Toolchain, imported: ImportedGcc, as_json: bool) -> None:
    layout = imported.layout
    if as_json:
        print_json(
            {
                "schema": "edgebuild.toolchain-import/1",
                "name": name,
                "recipe": str(file),
                "digest": toolchain.digest,
                "arch": toolchain.arch.name,
                "path": str(toolchain.root),
                **msgspec.to_builtins(imported),
            }
        )
        return
    for what, found in (("linker scripts", layout.scripts), ("libraries of its own programs", layout.host_libraries)):
        if found:
            click.echo(f"{len(found)} {what} that it does not find where it lies now: {', '.join(found[:5])}")
    needs = ", ".join(f"{language} {_versions(versions)}" for language, versions in imported.proven.items())
    click.echo(f"{file}: GCC {layout.gcc} for {layout.triple}, glibc {imported.glibc}, GLIBCXX {imported.glibcxx}")
    click.echo(f"compiled, linked and run; the small programs need: {needs}")


def _versions(versions: dict[str, str]) -> str:
    return " ".join(f"{family}_{version}" for family, version in sorted(versions.items()))
