"""In which order boxes have their turn, and when it stops."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

import pytest

from edgebuild.deploy.rollout import exit_code_of, roll_out
from edgebuild.model.box import BoxResult, BoxSpec, Outcome, Rollout

BOXES = tuple(BoxSpec(id=name, address=name) for name in "abcde")
_CODES = {"pending": 8, "failed": 7, "rolled_back": 7, "skipped": 7}


class Fleet:
    """outcomes: of boxes that are not simply updated."""

    def __init__(self, outcomes: Mapping[str, Outcome | type[BaseException]] | None = None) -> None:
        self.outcomes = outcomes or {}
        self.begun: list[str] = []

    def __call__(self, box: BoxSpec) -> BoxResult:
        self.begun.append(box.id)
        outcome = self.outcomes.get(box.id, "updated")
        if isinstance(outcome, type):
            raise outcome
        return BoxResult(box=box.id, outcome=outcome, exit_code=_CODES.get(outcome, 0))


def run(fleet: Fleet, canary: int = 1, parallel: int = 2) -> list[str]:
    results = roll_out(BOXES, Rollout(canary=canary, parallel=parallel), fleet)
    assert [result.box for result in results] == list("abcde")
    return [result.outcome for result in results]


def test_all_boxes_are_updated_and_reported_in_the_fleet_s_order() -> None:
    assert run(Fleet()) == ["updated"] * 5


@pytest.mark.parametrize("outcome", ["failed", "rolled_back", "skipped"])
def test_a_canary_that_is_not_well_stops_before_the_rest(outcome: Outcome) -> None:
    fleet = Fleet({"b": outcome})
    results = roll_out(BOXES, Rollout(canary=2), fleet)
    assert [result.outcome for result in results] == ["updated", outcome, "skipped", "skipped", "skipped"]
    assert fleet.begun == ["a", "b"]
    assert "canary b was" in results[4].error
    assert exit_code_of(result.exit_code for result in results) == 7


def test_a_box_that_is_off_is_no_canary() -> None:
    """The next box takes its place, before any other is touched."""
    fleet = Fleet({"a": "pending", "b": "pending", "c": "rolled_back"})
    assert run(fleet) == ["pending", "pending", "rolled_back", "skipped", "skipped"]
    assert fleet.begun == ["a", "b", "c"]


def test_a_failure_behind_the_canary_stops_nobody() -> None:
    assert run(Fleet({"c": "failed"})) == ["updated", "updated", "failed", "updated", "updated"]


def test_the_rest_runs_side_by_side_but_not_more_than_asked_for() -> None:
    meeting = threading.Barrier(2, timeout=5)
    now, most, lock = 0, 0, threading.Lock()

    def one(box: BoxSpec) -> BoxResult:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
        if box.id != "a":
            meeting.wait()  # b with c, d with e: breaks where they are one after another
        with lock:
            now -= 1
        return BoxResult(box=box.id, outcome="updated")

    roll_out(BOXES, Rollout(canary=1, parallel=2), one)
    assert most == 2


def test_an_interrupt_starts_no_further_box() -> None:
    fleet = Fleet({"b": KeyboardInterrupt})
    assert run(fleet, canary=5) == ["updated", "failed", "skipped", "skipped", "skipped"]
    assert fleet.begun == ["a", "b"]


def test_an_interrupt_behind_the_canary_waits_for_what_is_under_way() -> None:
    def one(box: BoxSpec) -> BoxResult:
        if box.id == "b":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        return BoxResult(box=box.id, outcome="updated")

    results = roll_out(BOXES, Rollout(canary=1, parallel=1), one)
    assert [result.outcome for result in results] == ["updated", "updated", "skipped", "skipped", "skipped"]
    assert exit_code_of(result.exit_code for result in results) == 130


@pytest.mark.parametrize(
    ("codes", "code"),
    [((), 0), ((0, 0), 0), ((0, 8), 8), ((8, 7, 0), 7), ((6, 8), 6), ((6, 7), 7), ((6, 6), 6), ((7, 130), 130)],
)
def test_the_exit_code_of_all(codes: tuple[int, ...], code: int) -> None:
    assert exit_code_of(codes) == code
