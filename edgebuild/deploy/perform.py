"""One box, from the first question to its result. What may be retried is retried once; what is unknown is asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from edgebuild.deploy import plan as plans
from edgebuild.deploy.preflight import Refusal, pick_payload, pick_row, preflight
from edgebuild.deploy.probe import probe
from edgebuild.deploy.program import (
    BUSY,
    NOT_HEALTHY,
    NOT_VERIFIED,
    Home,
    failure,
    program,
    program_digest,
    push_command,
    read_answer,
    verb_command,
)
from edgebuild.deploy.scripts import STOP_S, members, whole_seconds
from edgebuild.deploy.stream import stream_bytes, tar_stream
from edgebuild.deploy.transport import ConnectionLost, Reply, Transport
from edgebuild.errors import BoxError, BoxPending, EdgebuildError
from edgebuild.log import Log
from edgebuild.model.box import BoxResult, BoxSpec, BoxState, Outcome
from edgebuild.model.project import HealthSpec
from edgebuild.model.release import Payload, Release, RowRelease

# Silence while the box works. Generous, because a dead link is found by its keep-alives, and the box bounds itself.
_RECEIVE_TIMEOUT_S = 2400.0  # hashing, unpacking, `docker load` on slow flash
_SWITCH_MARGIN_S = 300.0  # every file is hashed once more, and the old program has its time to end
_ROLLBACK_TIMEOUT_S = 3600.0  # only the box knows how long that release's health check may take
_ASK_AGAIN_S = 2.0

Connect = Callable[[], Transport]


class _Damaged(BoxError):
    """A release on the box is not what was signed."""


@dataclass(frozen=True)
class Order:
    """What is to be deployed, and where it lies. folder: of the release's archives."""

    release: Release
    folder: Path
    log: Log

    @property
    def switch_timeout_s(self) -> float:
        """How long a box may be silent between `activate` and its answer: it may have to go back, too."""
        health = self.release.health or HealthSpec()
        wait_s = whole_seconds(health.timeout) + whole_seconds(health.for_)
        return 2 * (wait_s + STOP_S) + _SWITCH_MARGIN_S


@dataclass(frozen=True)
class Examined:
    """A box as it was found, and what would be done to it."""

    state: BoxState
    row: RowRelease | None
    payload: Payload | None
    refusals: tuple[Refusal, ...]
    actions: tuple[plans.Action, ...]


@dataclass(frozen=True)
class Preview:
    """One box's line of --dry-run. actions: none where it runs the release already, and where it is refused."""

    box: str
    target: str = ""
    actions: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    bytes_to_send: int = 0
    error: str = ""
    hint: str = ""
    exit_code: int = 0


@dataclass
class _Record:
    """What becomes the BoxResult, as far as it is known when something goes wrong."""

    box: str
    started_s: float = field(default_factory=time.monotonic)
    target: str = ""
    before: str = ""
    after: str = ""
    bytes_sent: int = 0
    health: str = ""

    def result(self, outcome: Outcome, error: EdgebuildError | None = None, exit_code: int = 0) -> BoxResult:
        return BoxResult(
            box=self.box,
            outcome=outcome,
            target=self.target,
            before=self.before,
            after=self.after,
            bytes_sent=self.bytes_sent,
            seconds=round(time.monotonic() - self.started_s, 1),
            health=self.health,
            error=error.message if error else "",
            hint=error.hint if error else "",
            exit_code=error.exit_code if error else exit_code,
        )


def examine(spec: BoxSpec, home: Home, order: Order, transport: Transport) -> Examined:
    """Asks one read-only question and decides everything else here."""
    state = probe(transport, home)
    row = pick_row(order.release, spec.target, state)
    if isinstance(row, Refusal):
        return Examined(state, None, None, (row,), ())
    payload = pick_payload(row, spec.format)
    if isinstance(payload, Refusal):
        return Examined(state, row, None, (payload,), ())
    actions = plans.plan(payload, state, program_digest=program_digest())
    # A box that runs the release already needs no permission to go on.
    refusals = preflight(row, payload, state) if actions else ()
    return Examined(state, row, payload, refusals, actions)


def deploy_one(spec: BoxSpec, home: Home, order: Order, connect: Connect) -> BoxResult:
    """Never raises for what a box may do: the result says it."""
    record = _Record(spec.id)
    with _Way(connect) as way, _caught(record) as caught:
        found = examine(spec, home, order, way.transport())
        record.target = found.row.target if found.row else ""
        record.before = record.after = found.state.current
        record.health = found.state.health
        if found.refusals:
            caught.append(record.result("skipped", refused(found.refusals)))
        elif not found.actions:
            caught.append(record.result("unchanged"))
        else:
            assert found.payload
            caught.append(_perform(found, found.payload, home, order, way, record))
    return caught[0]


def roll_back_one(
    spec: BoxSpec, home: Home, order: Order, connect: Connect, *, leave: Collection[str] = ()
) -> BoxResult:
    """To the release before, with the same care: the box keeps it only if it is healthy.

    leave: ids; a box that runs none of them is left alone, so that a second run for boxes that were off takes no
    other one forward again. Empty: whatever it runs.
    """
    record = _Record(spec.id)
    with _Way(connect) as way, _caught(record) as caught:
        state = probe(way.transport(), home)
        record.before = record.after = state.current
        if leave and state.current not in leave:
            caught.append(record.result("unchanged"))
            return caught[0]
        if not state.previous:
            raise BoxError(f"{spec.id}: there is no release before {state.current or 'the first one'} to go back to")
        for action in plans.plan_rollback(state, program_digest=program_digest()):
            _act(action, home, order, way.transport(), record)
        caught.append(_switch("rollback", state.previous, home, order, way, record))
    return caught[0]


def preview_one(spec: BoxSpec, home: Home, order: Order, connect: Connect) -> Preview:
    """What deploy_one() would do. Changes nothing."""
    try:
        with _Way(connect) as way:
            found = examine(spec, home, order, way.transport())
    except EdgebuildError as err:
        return Preview(spec.id, error=err.message, hint=err.hint, exit_code=err.exit_code)
    error = refused(found.refusals) if found.refusals else None
    return Preview(
        spec.id,
        target=found.row.target if found.row else "",
        actions=() if error else tuple(action.text for action in found.actions),
        before=found.state.current,
        after=found.payload.id if found.payload and not error else found.state.current,
        bytes_to_send=0 if error else sum(_cost(action, order) for action in found.actions),
        error=error.message if error else "",
        hint=error.hint if error else "",
        exit_code=error.exit_code if error else 0,
    )


def _cost(action: plans.Action, order: Order) -> int:
    match action:
        case plans.PushProgram():
            return len(program())
        case plans.Receive(payload):
            return stream_bytes(members(order.release, payload), payload.size_bytes)
        case plans.Activate():
            return 0


def refused(refusals: tuple[Refusal, ...]) -> BoxError:
    """All reasons in one error."""
    hints = dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint)
    return BoxError("; ".join(refusal.reason for refusal in refusals), " ".join(hints))


class _Way:
    """The connection of one box, opened when it is needed and again when it was lost."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._open: Transport | None = None

    def transport(self) -> Transport:
        if self._open is None:
            self._open = self._connect()
        return self._open

    def drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def __enter__(self) -> _Way:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


@contextlib.contextmanager
def _caught(record: _Record) -> Iterator[list[BoxResult]]:
    """A list that holds one result afterwards: that of the body, or that of the error which ended it."""
    results: list[BoxResult] = []
    try:
        yield results
    except BoxPending as err:
        results.append(record.result("pending", err))
    except EdgebuildError as err:
        results.append(record.result("failed", err))


def _perform(found: Examined, payload: Payload, home: Home, order: Order, way: _Way, record: _Record) -> BoxResult:
    *before, last = found.actions
    assert isinstance(last, plans.Activate)
    for action in before:
        _prepare(action, home, order, way, record)
    try:
        return _switch("activate", payload.id, home, order, way, record)
    except _Damaged:
        sending = plans.Receive(payload)
        if sending in before:
            raise
        # It lay there from earlier on, and flash forgets. The box takes the same release anew.
        _prepare(sending, home, order, way, record)
        return _switch("activate", payload.id, home, order, way, record)


def _prepare(action: plans.Action, home: Home, order: Order, way: _Way, record: _Record) -> None:
    try:
        _act(action, home, order, way.transport(), record)
    except ConnectionLost:
        # Nothing was switched, and a box takes these actions twice. The second loss is an error.
        way.drop()
        _act(action, home, order, way.transport(), record)


def _act(action: plans.Action, home: Home, order: Order, transport: Transport, record: _Record) -> None:
    match action:
        case plans.PushProgram():
            reply = transport.call(push_command(home), stdin=program())
            record.bytes_sent += len(program())
        case plans.Receive(payload):
            reply = _send(payload, home, order, transport, record)
        case plans.Activate():
            raise AssertionError(action)
    read_answer(reply, transport.address)
    if reply.code != 0:
        raise failure(reply, transport.address)


def _send(payload: Payload, home: Home, order: Order, transport: Transport, record: _Record) -> Reply:
    small = members(order.release, payload)
    total = stream_bytes(small, payload.size_bytes)
    sent_before = record.bytes_sent

    with order.log.step(f"{record.box}: sending {payload.id}, {total / 1e6:.1f} MB") as step:

        def count(done: int) -> None:
            record.bytes_sent = sent_before + done
            step.progress(done, total, "B")

        stream = tar_stream(small, order.folder / payload.archive, payload.size_bytes, sent=count)
        needed_kb = -(-(payload.size_bytes + payload.unpacked_bytes) // 1024)
        command = verb_command("receive", home, payload.id, str(needed_kb))
        return transport.call(command, stdin=stream, timeout_s=_RECEIVE_TIMEOUT_S)


def _switch(verb: plans.Switch, wanted: str, home: Home, order: Order, way: _Way, record: _Record) -> BoxResult:
    """The box decides by itself. When its answer is lost, it is asked; when it never began, it is told once more."""
    again = verb == "activate"  # twice to the release before is not the same as once
    command = verb_command(verb, home, *((wanted,) if verb == "activate" else ()))
    silence_s = order.switch_timeout_s if verb == "activate" else _ROLLBACK_TIMEOUT_S
    with order.log.step(f"{record.box}: switching to {wanted}"):
        for first in (True, False) if again else (True,):
            try:
                transport = way.transport()
                reply = transport.call(command, timeout_s=silence_s)
                if first or reply.code != BUSY:  # busy with what we had begun ourselves
                    return _switched(reply, transport.address, record)
            except ConnectionLost:
                way.drop()
            state = _settled(home, order, way)
            record.after, record.health = state.current, state.health
            if state.current == wanted and state.running:
                return record.result("updated")
    msg = f"the connection was lost while the box switched; it runs {record.after or 'nothing'}"
    raise BoxError(msg, "`edgebuild status` asks it again.")


def _settled(home: Home, order: Order, way: _Way) -> BoxState:
    """The box's state when its own switch is over. Raises BoxError when that takes longer than it may."""
    give_up_s = time.monotonic() + order.switch_timeout_s
    problem: EdgebuildError = BoxError("it is still switching")
    while time.monotonic() < give_up_s:
        try:
            state = probe(way.transport(), home)
            if not state.trial and not state.busy:
                return state
        except BoxPending as err:
            way.drop()
            problem = err
        time.sleep(_ASK_AGAIN_S)
    msg = f"the connection was lost while the box switched, and what came of it is not known: {problem.message}"
    raise BoxError(msg, "it keeps the new release only if it is healthy; `edgebuild status` asks it again.")


def _switched(reply: Reply, address: str, record: _Record) -> BoxResult:
    answer = read_answer(reply, address)
    record.before = answer.get("before", record.before)
    record.after = answer.get("after", record.after)
    record.health = answer.get("health", record.health)
    outcome = answer.get("outcome", "")
    if reply.code == 0 and outcome in ("updated", "unchanged"):
        return record.result("updated" if outcome == "updated" else "unchanged")
    error = failure(reply, address)
    if reply.code == NOT_VERIFIED:
        raise _Damaged(error.message, error.hint)
    if outcome == "rolled_back" or (reply.code == NOT_HEALTHY and outcome not in get_args(Outcome)):
        return record.result("rolled_back", error)
    return record.result("failed", error)
