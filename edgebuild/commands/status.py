"""edgebuild status: what boxes run, asked of the boxes themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from edgebuild.commands.context import Context, json_option, print_json, print_table
from edgebuild.commands.fleet import (
    Wish,
    application,
    boxes_argument,
    home_of,
    name_option,
    place_options,
    shortened,
    show_error,
)
from edgebuild.deploy.probe import probe
from edgebuild.deploy.program import program_digest
from edgebuild.deploy.rollout import all_at_once, exit_code_of
from edgebuild.errors import INTERRUPTED, EdgebuildError
from edgebuild.model.box import BoxSpec, BoxState


@dataclass(frozen=True)
class _Answer:
    box: str
    state: BoxState | None = None
    error: str = ""
    hint: str = ""
    exit_code: int = 0


@click.command("status")
@boxes_argument
@name_option
@place_options
@json_option
@click.pass_obj
def command(ctx: Context, /, name: str | None, as_json: bool, **options: str | Path | None) -> int:
    """Show what a box, or every box of a fleet file, runs. Changes nothing there."""
    asked = Wish(**options)  # type: ignore[arg-type]
    fleet = asked.fleet()
    home_name = application(name, fleet, asked.boxes, ctx).name

    def ask(box: BoxSpec) -> _Answer:
        try:
            transport = asked.connector(box)()
            try:
                return _Answer(box.id, probe(transport, home_of(box, home_name)))
            finally:
                transport.close()
        except EdgebuildError as err:
            return _Answer(box.id, error=err.message, hint=err.hint, exit_code=err.exit_code)

    found, _ = all_at_once(fleet.boxes, fleet.rollout.parallel, ask)
    answers = [found.get(box.id) or _Answer(box.id, error="interrupted", exit_code=INTERRUPTED) for box in fleet.boxes]
    code = exit_code_of(answer.exit_code for answer in answers)
    if as_json:
        print_json({"schema": "edgebuild.status/1", "exit_code": code, "boxes": [_document(each) for each in answers]})
    else:
        head = ("box", "machine", "current", "previous", "running", "health", "free MB", "note")
        print_table([_row(each) for each in answers], head)
    for each in answers:
        if each.error:
            show_error(each.box, each.error, each.hint)
    return code


def _document(answer: _Answer) -> dict[str, Any]:
    state = msgspec.to_builtins(answer.state) if answer.state else None
    return {
        "box": answer.box,
        "state": state,
        "error": answer.error,
        "hint": answer.hint,
        "exit_code": answer.exit_code,
    }


def _row(answer: _Answer) -> tuple[str, ...]:
    state = answer.state
    if state is None:
        return (answer.box, *("-",) * 6, "no answer")
    return (
        answer.box,
        state.machine,
        state.current or "-",
        state.previous or "-",
        "yes" if state.running else "no",
        shortened(state.health),
        f"{state.free_bytes / 1e6:.0f}",
        "; ".join(_notes(state)) or "-",
    )


def _notes(state: BoxState) -> list[str]:
    notes = []
    if state.trial:
        notes.append(f"{state.trial} is on trial")
    if state.busy:
        notes.append(f"busy: {state.busy}")
    if state.current and not state.running:
        notes.append("the program is not running")
    if state.tool and state.tool != program_digest():
        notes.append("another version's box program")
    return notes
