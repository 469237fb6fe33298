"""Waivers: what they cover, until when, and that none of them hides anything."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from edgebuild.audit.waivers import apply_waivers, unused_waivers
from edgebuild.config.yaml import parse_yaml
from edgebuild.errors import ConfigError
from edgebuild.model.contract import Waiver
from edgebuild.model.finding import Finding

LAST_DAY = date(2027, 1, 31)
FINDING = Finding(code="A106", file="lib/vendor/libdsp.so", message="PT_GNU_STACK is executable", hint="link again.")


def waiver(**changes: Any) -> Waiver:
    return Waiver(**{"code": "A106", "reason": "maker knows, ticket 12", "until": LAST_DAY, **changes})


def judged(*waivers: Waiver, today: date = LAST_DAY) -> Finding:
    (finding,) = apply_waivers((FINDING,), waivers, today)
    return finding


@pytest.mark.parametrize(
    "changes",
    [{}, {"file": "lib/*.so"}, {"file": "lib/vendor/libdsp.so"}, {"mentions": "PT_GNU_STACK"}],
    ids=str,
)
def test_a_waived_finding_passes_and_says_why(changes: dict[str, str]) -> None:
    found = judged(waiver(**changes))
    assert (found.waived, found.refuses) == ("maker knows, ticket 12", False)


@pytest.mark.parametrize(
    "changes", [{"code": "A105"}, {"file": "bin/*"}, {"file": "LIB/*"}, {"mentions": "missing"}], ids=str
)
def test_a_waiver_covers_nothing_else(changes: dict[str, str]) -> None:
    assert judged(waiver(**changes)) == FINDING


def test_the_day_after_the_last_it_refuses_again_and_says_so() -> None:
    found = judged(waiver(), today=date(2027, 2, 1))
    assert found.refuses
    assert found.hint == "link again. its waiver ended on 2027-01-31 (maker knows, ticket 12)."


def test_a_second_waiver_that_still_holds_wins_over_one_that_ended() -> None:
    later = waiver(until=date(2028, 1, 1), reason="extended")
    assert judged(waiver(), later, today=date(2027, 2, 1)).waived == "extended"


def test_waivers_that_cover_nothing_are_told() -> None:
    stale = waiver(code="A105")
    assert unused_waivers((FINDING,), (waiver(), stale)) == (stale,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{code: A106, until: 2027-01-31}", "reason"),
        ('{code: A106, until: 2027-01-31, reason: ""}', "reason"),
        ("{code: A106, reason: x}", "until"),
        ("{code: A106, reason: x, until: soon}", "until"),
        ("{code: stack, reason: x, until: 2027-01-31}", "code"),
    ],
)
def test_reason_and_end_are_mandatory(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_yaml(text, Waiver, where="x.yaml")


def test_a_waiver_is_read_as_it_is_written() -> None:
    assert parse_yaml('{code: A106, reason: "maker knows, ticket 12", until: 2027-01-31}', Waiver, where="") == waiver()
