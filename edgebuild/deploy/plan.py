"""What has to happen on a box, as values: compared in tests, printed by --dry-run, done by perform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgebuild.model.box import BoxState
from edgebuild.model.release import Payload


@dataclass(frozen=True)
class PushProgram:
    """The box program that lies there is not ours."""

    @property
    def text(self) -> str:
        return "box program"


@dataclass(frozen=True)
class Receive:
    payload: Payload

    @property
    def text(self) -> str:
        return f"receive {self.payload.size_bytes / 1e6:.1f} MB"


@dataclass(frozen=True)
class Activate:
    id: str

    @property
    def text(self) -> str:
        return "activate"


Action = PushProgram | Receive | Activate
Switch = Literal["activate", "rollback"]


def plan(payload: Payload, state: BoxState, *, program_digest: str) -> tuple[Action, ...]:
    """Empty when the box runs the release already, confirmed: then not even the box program is touched."""
    if state.current == payload.id and not state.trial and state.running:
        return ()
    actions: list[Action] = []
    if state.tool != program_digest:
        actions.append(PushProgram())
    if payload.id not in state.releases:
        actions.append(Receive(payload))
    return (*actions, Activate(payload.id))


def plan_rollback(state: BoxState, *, program_digest: str) -> tuple[Action, ...]:
    """What goes before the verb itself."""
    return () if state.tool == program_digest else (PushProgram(),)
