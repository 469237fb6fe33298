"""docs/audit-corpus.md, from the corpus itself: `python -m tests.corpus` writes it, a test holds it against this."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.defects import DEFECTS, GROUPS
from tests.corpus.model import Defect, contract_title
from tests.corpus.sound import Sound, everything

PAGE = Path(__file__).resolve().parents[2] / "docs" / "audit-corpus.md"
_HEAD = """\
# The corpus that the audit is judged by

{refused} artifacts that a box cannot load or must not get, each for another reason, {codes} codes; {advice} more that
deserve a word and pass; {sound} sound ones, {foreign} of them other people's. Recipes, contracts and expectations are
in `tests/corpus/`, written from the promise alone by somebody who had not read the code that judges. Every artifact is
made by a real compiler or linker, or by an edit of bytes. `tests/e2e/test_corpus.py` holds each verdict against what is
said here: code, severity, file, words of the message and of the remedy, and that nothing else refuses.

This page is generated: `python -m tests.corpus`.
"""


def render() -> str:
    refused = [defect for defect in DEFECTS if defect.refused]
    sounds = everything()
    head = _HEAD.format(
        refused=len(refused),
        codes=len({code for defect in refused for code in defect.codes}),
        advice=len(DEFECTS) - len(refused),
        sound=len(sounds),
        foreign=sum(each.foreign for each in sounds),
    )
    sections = [_section(group.title, group.defects) for group in GROUPS]
    return "\n".join([head, *sections, _sound_section(sounds)])


def _section(title: str, defects: list[Defect]) -> str:
    rows = [f"| `{d.name}` | {_cell(d.why)} | {_box(d)} | {', '.join(_codes(d))} |" for d in defects]
    return "\n".join([f"## {title}\n", "| artifact | what is wrong | box | found |", "|---|---|---|---|", *rows, ""])


def _codes(defect: Defect) -> list[str]:
    return [expect.code + ("" if expect.severity == "error" else f" ({expect.severity})") for expect in defect.expects]


def _box(defect: Defect) -> str:
    ours = f", as a build of ours for glibc {defect.floor}" if defect.floor else ""
    return contract_title(defect.contract) + ours


def _sound_section(sounds: tuple[Sound, ...]) -> str:
    rows = [f"| `{s.name}` | {_cell(s.why)} | {s.fits} | {s.below}: {s.code} |" for s in sounds]
    head = "## Sound ones\n\nEach passes on a box that has what it needs, and is refused below its floor.\n"
    return "\n".join([head, "| artifact | what it is | passes on | refused on |", "|---|---|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("__", "\\_\\_")
