"""Waivers: findings that somebody has looked at and accepts until a day, with a reason that others can read."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from datetime import date

import msgspec

from edgebuild.model.contract import Waiver
from edgebuild.model.finding import Finding


def apply_waivers(findings: Sequence[Finding], waivers: Sequence[Waiver], today: date) -> tuple[Finding, ...]:
    """Findings that a waiver covers carry its reason and let pass; where it has ended, the hint says so.

    The last day still counts. A waived finding stays in every list, with its reason.
    """
    return tuple(_judged(finding, waivers, today) for finding in findings)


def unused_waivers(findings: Sequence[Finding], waivers: Sequence[Waiver]) -> tuple[Waiver, ...]:
    """Those that cover nothing any more: what they allowed has been mended, and they would hide its return."""
    return tuple(waiver for waiver in waivers if not any(covers(waiver, finding) for finding in findings))


def covers(waiver: Waiver, finding: Finding) -> bool:
    """Whatever the day. A waiver's file is a glob in which "*" also crosses folders."""
    return (
        waiver.code == finding.code
        and fnmatch.fnmatchcase(finding.file, waiver.file)
        and waiver.mentions in finding.message
    )


def _judged(finding: Finding, waivers: Sequence[Waiver], today: date) -> Finding:
    covering = [waiver for waiver in waivers if covers(waiver, finding)]
    for waiver in covering:
        if waiver.until >= today:
            return msgspec.structs.replace(finding, waived=waiver.reason)
    ended = " ".join(f"its waiver ended on {waiver.until} ({waiver.reason})." for waiver in covering)
    return msgspec.structs.replace(finding, hint=" ".join(filter(None, (finding.hint, ended)))) if ended else finding
