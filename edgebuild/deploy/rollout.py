"""In which order the boxes of a fleet have their turn, and when it stops. Knows nothing of SSH."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from edgebuild.errors import INTERRUPTED
from edgebuild.model.box import BoxResult, BoxSpec, Rollout

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
        return _in_order(boxes, results, "interrupted", exit_code=INTERRUPTED)
    interrupted = _all_at_once(rest, rollout.parallel, deploy_one, results)
    return _in_order(boxes, results, "interrupted", exit_code=INTERRUPTED if interrupted else 0)


def exit_code_of(results: Sequence[BoxResult]) -> int:
    """0: all well. 8: only boxes that are off are left. A single kind of refusal keeps its code; else 7."""
    if any(result.exit_code == INTERRUPTED for result in results):
        return INTERRUPTED
    codes = {result.exit_code for result in results if result.outcome not in (*_WELL, "pending") and result.exit_code}
    if codes:
        return codes.pop() if len(codes) == 1 else 7
    return 8 if any(result.outcome == "pending" for result in results) else 0


def _all_at_once(boxes: Sequence[BoxSpec], parallel: int, deploy_one: DeployOne, results: dict[str, BoxResult]) -> bool:
    """Whether it was interrupted. Fills `results`."""
    interrupted = False
    with ThreadPoolExecutor(max_workers=max(1, parallel), thread_name_prefix="box") as pool:
        futures: dict[str, Future[BoxResult]] = {box.id: pool.submit(deploy_one, box) for box in boxes}
        try:
            for future in futures.values():
                future.result()
        except KeyboardInterrupt:
            interrupted = True
            pool.shutdown(wait=True, cancel_futures=True)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    results.update({box: future.result() for box, future in futures.items() if not future.cancelled()})
    return interrupted


def _in_order(
    boxes: Sequence[BoxSpec], results: dict[str, BoxResult], reason: str, *, exit_code: int
) -> tuple[BoxResult, ...]:
    untouched = {
        box.id: BoxResult(box=box.id, outcome="skipped", error=reason, exit_code=exit_code)
        for box in boxes
        if box.id not in results
    }
    return tuple({**results, **untouched}[box.id] for box in boxes)
