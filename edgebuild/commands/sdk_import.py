"""edgebuild sdk import: what a vendor hands out, taken whole or not at all."""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import click
import msgspec

from edgebuild.audit import audit
from edgebuild.audit.sdk import with_sdks_of_box
from edgebuild.build.sdk import Imported, lacking, provide_sdk, take_sdk
from edgebuild.build.sdk_choose import Chosen, SdkWish, choose, keeper
from edgebuild.build.sdk_open import Opened, open_sdk
from edgebuild.build.sdk_read import is_licence, licence_name, read_text, sdk_title, sdk_version
from edgebuild.commands.context import (
    Context,
    Something,
    complete_targets,
    json_option,
    print_json,
    require_file_or_folder,
)
from edgebuild.commands.fleet import Wish, reach_options
from edgebuild.commands.sdk_box import fetched_from_box
from edgebuild.commands.sdk_show import document_of, echo_sdk
from edgebuild.commands.sources import is_box, saved_image
from edgebuild.config.contracts import load_contract
from edgebuild.config.sdk import load_backend_functions, load_layouts, recipe_facts, save_sdk
from edgebuild.config.sdk_again import earlier_sdk, kept_of, tell_lost
from edgebuild.config.targets import load_row, resolve_names
from edgebuild.errors import ConfigError, NotAvailable, VerificationError
from edgebuild.model.arch import ARCHES, ArchName
from edgebuild.model.contract import Provided
from edgebuild.model.sdk import Sdk, SdkLicence, SdkRecipe, SdkTree
from edgebuild.model.tree import TreeFacts
from edgebuild.placing import printable
from edgebuild.workspace import Workspace

# A CMake package, pkg-config files and folders are called so.
_SHOWN = 5
_LOADING = ("A102", "A103", "A107", "A134")  # codes of what the loader would not do
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@click.command("import")
@click.argument("source", metavar="ARCHIVE|FOLDER|USER@HOST[:PORT]|IMAGE", type=Something())
@click.option("--as", "name", required=True, metavar="NAME", help="What the SDK is called: find_package(NAME).")
@click.option("--arch", type=click.Choice([*ARCHES]), help="What all of it has to be for.")
@click.option("--target", "-t", metavar="ROW", shell_complete=complete_targets, help="The same, as this row's boxes.")
@click.option("--inner", multiple=True, metavar="PATH", help="Take this archive out of the archive instead.")
@click.option("--path", "paths", multiple=True, metavar="FOLDER", help="Of a box or image: the folder that is the SDK.")
@click.option("--only", multiple=True, metavar="GLOB", help="Take only these files or folders ('*' crosses folders).")
@click.option("--drop", multiple=True, metavar="GLOB", help="Leave these out: programs for a desk, firmware.")
@click.option("--version", metavar="VERSION", help="Where its files do not tell, or tell another.")
@click.option("--title", metavar="TEXT", help="What it is, for people.")
@click.option("--licence", metavar="NAME", help="What its licence is called, where its files do not tell.")
@click.option("--accept-licence", "accepted", metavar="NAME", help="You have read the licence of this name, and agree.")
@click.option("--show-licence", is_flag=True, help="Print the licence's texts, and do nothing else.")
@click.option(
    "--redistributable", is_flag=True, help="Its licence lets you ship it: products may contain its libraries."
)
@click.option("--url", default="", help="Where other machines will find the packed SDK.")
@reach_options
@json_option
@click.pass_obj
def import_sdk(
    ctx: Context,
    source: str,
    name: str,
    arch: ArchName | None,
    target: str | None,
    inner: tuple[str, ...],
    paths: tuple[str, ...],
    only: tuple[str, ...],
    drop: tuple[str, ...],
    version: str | None,
    title: str | None,
    licence: str | None,
    accepted: str | None,
    show_licence: bool,
    redistributable: bool,
    url: str,
    ssh_key: Path | None,
    known_hosts: Path | None,
    via: str | None,
    as_json: bool,
) -> None:
    """Take a vendor's SDK, to link your own engine against it.

    From a tar archive of any packing, a zip or wheel, a Debian package or a folder of them, a script with an archive
    behind it (".run"; it is not started), a folder, a box over SSH, an image of the local engine or a saved one.
    Refused is what would write outside its folder, is for another machine, or comes without an accepted licence.
    """
    if not _NAME.fullmatch(name):
        msg = f"--as: '{name}' is not a name: up to 64 small letters, digits, '-', '_' and '.'"
        raise ConfigError(msg, "find_package() asks for it by this name, so a short one is best.")
    boxes = _boxes_of(target, ctx.ws)
    wish = SdkWish(paths=paths, only=only, drop=drop, arch=arch or _arch_of(boxes))
    reach = Wish(source, ssh_key=ssh_key, known_hosts=known_hosts, via=via)
    with ctx.ws.lock(f"import-sdk-{name}"), _open(source, reach, inner, wish, ctx.ws) as opened:
        chosen = choose(opened, wish, source)
        if show_licence:
            _print_licences(chosen, source)
            return
        shown = Path(source).name if Path(source).is_file() else source
        accepted_licence = _require_licence(chosen, licence, accepted, source)
        earlier = earlier_sdk(name, ctx.ws)

        def recipe_of(files: str) -> SdkRecipe:
            kept = kept_of(earlier, shown, accepted_licence, files)
            return SdkRecipe(
                title=title or kept.title or sdk_title(chosen.root, chosen.seen, source),
                version=version or kept.version or _require_version(chosen, (*inner[::-1], source)),
                arch=chosen.arch.name,
                source=shown,
                licence=accepted_licence,
                inner=inner,
                paths=paths,
                only=only,
                drop=drop,
                redistributable=redistributable or kept.redistributable,
                url=url or kept.url,
                cmake_variables=kept.cmake_variables,
            )

        with contextlib.ExitStack() as undo:
            imported = take_sdk(name, chosen, recipe_of, recipe_facts, load_layouts(), ws=ctx.ws, undo=undo)
            tree = provide_sdk(imported.sdk, ws=ctx.ws)
            file = save_sdk(imported.sdk, ctx.ws)
            undo.pop_all()
    tell_lost(earlier, imported.sdk, ctx.ws)
    unfit = {row: _unfit(imported.sdk, chosen, provided) for row, provided in boxes.items()}
    _show(imported, chosen, tree, file, unfit, as_json, ctx.ws)


def _boxes_of(target: str | None, ws: Workspace) -> dict[str, Provided]:
    """What the boxes of a row have; of a family's rows each."""
    rows = resolve_names(target) if target else ()
    return {row: load_contract(load_row(row).contract, ws) for row in rows}


def _arch_of(boxes: Mapping[str, Provided]) -> ArchName | None:
    arches = {provided.contract.arch for provided in boxes.values()}
    if len(arches) > 1:
        msg = f"--target: {', '.join(boxes)} are of {len(arches)} architectures"
        raise ConfigError(msg, "an SDK is for one: name one row, or say --arch.")
    return next(iter(arches), None)


def _unfit(sdk: Sdk, chosen: Chosen, provided: Provided) -> list[str]:
    """Why its libraries cannot be what boxes of this contract have: these would not load there."""
    elves = tuple(msgspec.structs.replace(chosen.elves[each.path], name=each.name) for each in sdk.lock.libraries)
    on_box = with_sdks_of_box(provided, [msgspec.structs.replace(sdk, on_box=True)])
    findings = audit(TreeFacts(path=sdk.name, kind="folder", elves=elves), on_box)
    return [f"{each.file}: {each.message}" for each in findings if each.code in _LOADING and each.severity == "error"]


# ---- Sources ----


@contextlib.contextmanager
def _open(source: str, reach: Wish, inner: tuple[str, ...], wish: SdkWish, ws: Workspace) -> Iterator[Opened]:
    path = Path(source)
    if path.exists():
        require_file_or_folder(path)
        with open_sdk(path.absolute(), inner, keep=keeper(wish), arch=wish.arch, ws=ws) as opened:
            yield opened
    elif is_box(source):
        with fetched_from_box(source, reach, wish, ws) as opened:
            yield opened
    elif "/" in source and path.suffix and ":" not in source:
        msg = f"{source}: no such file or folder"
        raise ConfigError(msg, "a box is written USER@HOST, an image as its engine calls it.")
    else:
        with saved_image(source, ws) as saved, open_sdk(saved, inner, arch=wish.arch, ws=ws) as opened:
            yield opened


# ---- Version and licence ----


def _require_version(chosen: Chosen, sources: tuple[str, ...]) -> str:
    if version := sdk_version(chosen.root, chosen.seen, sources):
        return version
    msg = f"{sources[-1]}: neither its name nor its files tell its version"
    raise ConfigError(msg, "say it: --version 1.2.3.")


def _licences(chosen: Chosen) -> tuple[str, ...]:
    return tuple(sorted((file for file in chosen.files if is_licence(file)), key=lambda name: (name.count("/"), name)))


def _require_licence(chosen: Chosen, licence: str | None, accepted: str | None, source: str) -> SdkLicence:
    """Raises VerificationError, with what there is to read."""
    files = _licences(chosen)
    name = licence or licence_name(chosen.root, chosen.seen)
    if accepted and (not name or _same(accepted, name)):
        return SdkLicence(name=accepted, accepted_by=_user(), accepted_on=date.today(), files=files)
    called = f"'{name}'" if name else "whose name its files do not tell"
    texts = f"its texts: {', '.join(files)}" if files else "no text of it is among the files that would be taken"
    msg = f"{source}: its licence, {called}, has not been accepted; {texts}"
    if accepted:
        msg = f"{source}: the licence is called '{name}', and '{accepted}' was accepted; {texts}"
    read = "--show-licence prints them" if files else "read it where the SDK came from"
    raise VerificationError(msg, f"{read}; if you agree: --accept-licence '{name or 'NAME'}'.")


def _same(accepted: str, name: str) -> bool:
    return " ".join(accepted.split()).casefold() == " ".join(name.split()).casefold()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _print_licences(chosen: Chosen, source: str) -> None:
    files = _licences(chosen)
    if not files:
        msg = f"{source}: no licence text is among the files that would be taken"
        raise NotAvailable(msg, "read it where the SDK came from.")
    for file in files:
        click.echo(f"==== {file} ====\n{_shown(read_text(chosen.root / file))}\n")


def _shown(text: str) -> str:
    """Without what would steer a terminal."""
    return "\n".join(printable(line.expandtabs()) for line in text.rstrip().splitlines())


def _show(
    imported: Imported,
    chosen: Chosen,
    tree: SdkTree,
    file: Path,
    unfit: Mapping[str, list[str]],
    as_json: bool,
    ws: Workspace,
) -> None:
    lacks = lacking(imported.sdk, load_backend_functions(ws))
    document = document_of(tree, lacks)
    if as_json:
        more = {
            "layout": imported.layout,
            "links_left_out": chosen.nowhere,
            "doubles": imported.doubles,
            "unfit": unfit,
        }
        print_json({**document, "recipe": str(file), **more})
        return
    for words, names in (
        ("links left out that lead to nothing that was taken", chosen.nowhere),
        ("libraries left out, because another file has their name", imported.doubles),
    ):
        if names:
            click.echo(f"{len(names)} {words}: {', '.join(names[:_SHOWN])}")
    if imported.layout:
        click.echo(
            f"recognised as {imported.layout}: {', '.join(imported.sdk.recipe.cmake_variables)} is set in builds"
        )
    echo_sdk(tree, lacks)
    for row, reasons in unfit.items():
        for reason in reasons[:_SHOWN]:
            click.echo(f"on boxes of {row} it would not load: {reason}")
    click.echo(f"{file}: {imported.sdk.lock.files} files, {imported.sdk.lock.size_bytes / 1e6:.0f} MB")
