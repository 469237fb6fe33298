"""In which order the boxes of a fleet have their turn, and when it stops. Knows nothing of SSH."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgebuild.errors import INTERRUPTED, BoxError, BoxPending
from edgebuild.model.box import BoxResult, BoxSpec, Rollout

T = TypeVar("T")
_WELL = ("unchanged", "updated")

DeployOne = Callable[[BoxSpec], BoxResult]


def roll_out(boxes: Sequence[BoxSpec], rollout: Rollout, deploy_one: DeployOne) -> tuple[BoxResult, ...]:
    """Results in the order of `boxes`.

    Boxes go one after another until `canary` of them are well; one that is off proves nothing, so the next takes
    its turn. Any other ending stops the rollout before it reaches the rest. An interrupt starts no further box and
    waits for those under way.
    """
    results: dict[str, BoxResult] = {}
    well = 0
    rest = list(boxes)
    try:
        while rest and well < rollout.canary:
            result = results[rest[0].id] = deploy_one(rest[0])
            rest.pop(0)
            if result.outcome in _WELL:
                well += 1
            elif result.outcome != "pending":
                reason = f"not touched: canary {result.box} was {result.outcome.replace('_', ' ')}"
                return _in_order(boxes, results, reason, exit_code=0)
    except KeyboardInterrupt:
        reason = "interrupted under way; what the box had begun it ends by itself, well or undone"
        results[rest[0].id] = BoxResult(box=rest[0].id, outcome="failed", error=reason, exit_code=INTERRUPTED)
        return _in_order(boxes, results, "interrupted", exit_code=INTERRUPTED)
    others, interrupted = all_at_once(rest, rollout.parallel, deploy_one)
    results |= others
    return _in_order(boxes, results, "interrupted", exit_code=INTERRUPTED if interrupted else 0)


def exit_code_of(codes: Iterable[int]) -> int:
    """Of all boxes together. 0: all well. 8: only boxes that are off are left. Equal refusals keep theirs; else 7."""
    kinds = set(codes) - {0}
    if INTERRUPTED in kinds:
        return INTERRUPTED
    others = kinds - {BoxPending.exit_code}
    if not others:
        return max(kinds, default=0)
    return others.pop() if len(others) == 1 else BoxError.exit_code


def all_at_once(boxes: Sequence[BoxSpec], parallel: int, ask: Callable[[BoxSpec], T]) -> tuple[dict[str, T], bool]:
    """Answers by box id, and whether an interrupt kept some boxes from having their turn."""
    answers: dict[str, T] = {}
    interrupted = False
    # An interrupt while the pool starts a thread leaves one that the pool does not know of and would not wait for.
    # So nobody begins before all have been started.
    begin, stop = threading.Event(), threading.Event()

    def turn(box: BoxSpec) -> None:
        begin.wait()
        if not stop.is_set():
            answers[box.id] = ask(box)

    with ThreadPoolExecutor(max_workers=max(1, parallel), thread_name_prefix="box") as pool:
        try:
            futures = [pool.submit(turn, box) for box in boxes]
            begin.set()
            for future in futures:
                future.result()
        except BaseException as err:
            stop.set()
            begin.set()
            if not isinstance(err, KeyboardInterrupt):
                raise
            interrupted = True
    return answers, interrupted


def _in_order(
    boxes: Sequence[BoxSpec], results: dict[str, BoxResult], reason: str, *, exit_code: int
) -> tuple[BoxResult, ...]:
    untouched = {
        box.id: BoxResult(box=box.id, outcome="skipped", error=reason, exit_code=exit_code)
        for box in boxes
        if box.id not in results
    }
    return tuple({**results, **untouched}[box.id] for box in boxes)
