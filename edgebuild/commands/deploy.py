"""edgebuild deploy: a verified release goes to one box or a fleet; each box keeps it only while it is healthy there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from edgebuild.commands.context import Context, json_option, print_json, print_table
from edgebuild.commands.fleet import (
    Wish,
    boxes_argument,
    choice_options,
    home_of,
    release_folder,
    show_error,
    show_results,
)
from edgebuild.commands.key import trusted_file, trusted_option
from edgebuild.deploy.perform import Order, Preview, deploy_one, preview_one
from edgebuild.deploy.rollout import all_at_once, exit_code_of, roll_out
from edgebuild.errors import INTERRUPTED, ConfigError
from edgebuild.model.box import BoxResult, BoxSpec, Fleet
from edgebuild.model.release import Release
from edgebuild.package.release import open_release


@click.command("deploy")
@boxes_argument
@click.option("--release", "wish", metavar="DIR", help="Default: the fleet's, else the newest in out/releases.")
@choice_options
@trusted_option
@click.option("--dry-run", is_flag=True, help="Ask every box, print what would be done, change nothing.")
@json_option
@click.pass_obj
def command(
    ctx: Context, /, wish: str | None, trusted: Path | None, dry_run: bool, as_json: bool, **options: str | Path | None
) -> int:
    """Send a release to a box or to every box of a fleet file, and switch to it where it is healthy.

    \b
    edgebuild deploy root@192.168.1.10
    edgebuild deploy fleet.yaml --dry-run
    """
    asked = Wish(**options)  # type: ignore[arg-type]  # click gives what the options declare
    fleet = asked.fleet()
    order = _order(ctx, fleet, wish, asked, trusted)
    _require_rows(fleet, order.release)
    if dry_run:
        return _show_previews(_previews(fleet, asked, order), as_json=as_json)

    def one(box: BoxSpec) -> BoxResult:
        return deploy_one(box, home_of(box, order.release.name), order, asked.connector(box))

    return show_results(roll_out(fleet.boxes, fleet.rollout, one), as_json=as_json)


def _order(ctx: Context, fleet: Fleet, wish: str | None, asked: Wish, trusted: Path | None) -> Order:
    """Every byte of the release is checked before the first box is asked anything."""
    folder = release_folder(wish, "", ctx.ws) if wish else release_folder(fleet.release, asked.boxes, ctx.ws)
    with ctx.ws.log.step(f"Verifying {folder.name}"):
        release = open_release(folder, trusted or trusted_file(ctx.ws))
    return Order(release, folder, ctx.ws.log)


def _require_rows(fleet: Fleet, release: Release) -> None:
    for box in fleet.boxes:
        if box.target != "auto" and box.target not in release.rows:
            msg = f"{box.id}: {release.name} {release.version} holds nothing for target '{box.target}'"
            raise ConfigError(msg, f"it has: {', '.join(sorted(release.rows))}.")


def _previews(fleet: Fleet, asked: Wish, order: Order) -> Sequence[Preview]:
    def one(box: BoxSpec) -> Preview:
        return preview_one(box, home_of(box, order.release.name), order, asked.connector(box))

    found, _ = all_at_once(fleet.boxes, fleet.rollout.parallel, one)
    unasked = partial(Preview, error="interrupted", exit_code=INTERRUPTED)
    return [found.get(box.id) or unasked(box.id) for box in fleet.boxes]


def _show_previews(previews: Sequence[Preview], *, as_json: bool) -> int:
    code = exit_code_of(each.exit_code for each in previews)
    if as_json:
        print_json({"schema": "edgebuild.plan/1", "exit_code": code, "boxes": [asdict(each) for each in previews]})
    else:
        print_table([_preview_row(each) for each in previews], ("box", "target", "would", "from", "to", "MB"))
    for each in previews:
        if each.error:
            show_error(each.box, each.error, each.hint)
    return code


def _preview_row(each: Preview) -> tuple[str, ...]:
    would = ", ".join(each.actions) or ("not be touched" if each.error else "stay as it is")
    return each.box, each.target or "-", would, each.before or "-", each.after or "-", f"{each.bytes_to_send / 1e6:.1f}"
