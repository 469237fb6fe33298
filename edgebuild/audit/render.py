"""Findings as people read them: by cause, worst first, each remedy once. Plain text for a terminal or a ticket."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from edgebuild.audit.codes import CODES
from edgebuild.model.finding import Finding

_SEVERITIES = ("error", "unknown", "advice")
_SHOWN_FILES = 6
_DOUBT = {"error": "", "unknown": " (unknown, which does not pass)", "advice": " (advice)"}


def render_findings(findings: Sequence[Finding]) -> str:
    """A paragraph per cause; waived ones last, a line each."""
    paragraphs = [_cause(group) for group in by_cause([each for each in findings if not each.waived])]
    waived = [f"waived: {each.code} {_place(each)} ({each.waived})" for each in findings if each.waived]
    return plain("\n".join([*paragraphs, *dict.fromkeys(waived)]))


def render_verdict(findings: Sequence[Finding]) -> str:
    """ "refused: 2 errors, 1 unknown; 3 advice", "passes; 1 waived"."""
    counts = Counter(each.severity for each in findings if not each.waived)
    refusing = [_counted(counts[severity], severity) for severity in ("error", "unknown") if counts[severity]]
    waived = sum(bool(each.waived) for each in findings)
    rest = [_counted(counts["advice"], "advice")] if counts["advice"] else []
    rest += [f"{waived} waived"] if waived else []
    return "; ".join(["refused: " + ", ".join(refusing) if refusing else "passes", *rest])


def by_cause(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings of one severity and code together, worst first."""

    def cause(finding: Finding) -> tuple[int, str]:
        return _SEVERITIES.index(finding.severity), finding.code

    return [list(group) for _, group in itertools.groupby(sorted(findings, key=cause), key=cause)]


def plain(text: str) -> str:
    """File names come out of other people's archives and must not steer a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _cause(group: list[Finding]) -> str:
    """Heading, then for every remedy the files that it mends."""
    first = group[0]
    lines = [f"{first.code} {CODES[first.code].title}{_DOUBT[first.severity]}"]
    for hint in dict.fromkeys(each.hint for each in group):
        places = list(dict.fromkeys(_place(each) for each in group if each.hint == hint))
        lines += [f"  {place}" for place in places[:_SHOWN_FILES]]
        more = len(places) - _SHOWN_FILES
        lines += [f"  and {more} more"] if more > 0 else []
        lines += [f"    remedy: {hint}"] if hint else []
    return "\n".join([*lines, f"    explained: edgebuild audit --explain {first.code}"])


def _place(finding: Finding) -> str:
    """Lines of a file name or message are one line here."""
    origin = f", brought in by {finding.origin}" if finding.origin else ""
    return ": ".join(filter(None, (finding.file, f"{finding.message}{origin}"))).replace("\n", "?")


def _counted(count: int, word: str) -> str:
    """Only errors have a plural."""
    return f"{count} errors" if word == "error" and count > 1 else f"{count} {word}"
