"""edgebuild rollback: back to the release before, with the same health check as forwards."""

from __future__ import annotations

from pathlib import Path

import click

from edgebuild.commands.context import Context, json_option
from edgebuild.commands.fleet import (
    Wish,
    application,
    boxes_argument,
    empty_order,
    home_of,
    name_option,
    place_options,
    show_results,
)
from edgebuild.deploy.perform import roll_back_one
from edgebuild.deploy.rollout import roll_out
from edgebuild.model.box import BoxResult, BoxSpec, Rollout


@click.command("rollback")
@boxes_argument
@name_option
@place_options
@json_option
@click.pass_obj
def command(ctx: Context, /, name: str | None, as_json: bool, **options: str | Path | None) -> int:
    """Switch a box, or every box of a fleet file, back to the release it had before.

    With a fleet file only boxes that run its release go back: the command may be given again for those that were off.
    """
    asked = Wish(**options)  # type: ignore[arg-type]
    fleet = asked.fleet()
    found = application(name, fleet, asked.boxes, ctx)
    order = empty_order(ctx, found.name)

    def one(box: BoxSpec) -> BoxResult:
        return roll_back_one(box, home_of(box, found.name), order, asked.connector(box), leave=found.ids)

    # No canary: the release they go back to has run on these very boxes.
    rollout = Rollout(canary=0, parallel=fleet.rollout.parallel)
    return show_results(roll_out(fleet.boxes, rollout, one), as_json=as_json)
