"""Every defect, in the order of its group."""

from __future__ import annotations

from tests.corpus.defects import containers, instructions, libraries, machine, others, python, symbols
from tests.corpus.model import Defect, Group

GROUPS: tuple[Group, ...] = (
    machine.GROUP,
    symbols.GROUP,
    libraries.GROUP,
    instructions.GROUP,
    python.GROUP,
    others.GROUP,
    containers.GROUP,
)
DEFECTS: tuple[Defect, ...] = tuple(defect for group in GROUPS for defect in group.defects)
assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)
