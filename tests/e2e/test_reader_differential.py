"""Our own ELF reader against pyelftools and lief, on every file of a large and mixed set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from edgebuild.workspace import Workspace
from tests.bench.elves import provide_elves
from tests.bench.readers import Common, by_lief, by_ours, by_pyelftools

_SHOWN = 10


@pytest.fixture(scope="module")
def elves(cache: Workspace) -> tuple[Path, ...]:
    return provide_elves(cache)


@pytest.mark.parametrize("other", [by_pyelftools, by_lief])
def test_facts_are_those_of_another_reader(elves: tuple[Path, ...], other: Callable[[Path], Common]) -> None:
    with ProcessPoolExecutor() as pool:
        theirs = list(pool.map(other, elves, chunksize=16))
    differences = [
        f"{path}: {difference}"
        for path, their in zip(elves, theirs, strict=True)
        for difference in _differences(by_ours(path), their)
    ]
    assert differences[:_SHOWN] == []


def _differences(ours: Common, theirs: Common) -> Iterator[str]:
    for field in Common.__struct_fields__:
        mine, other = getattr(ours, field), getattr(theirs, field)
        if mine != other:
            yield f"{field}: {_shown(mine, other)}"


def _shown(ours: object, theirs: object) -> str:
    """Of long lists what only one of them has."""
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        return f"alone {sorted(set(ours) - set(theirs))[:5]}, theirs alone {sorted(set(theirs) - set(ours))[:5]}"
    return f"{str(ours)[:200]}, theirs {str(theirs)[:200]}"


def test_the_set_has_what_readers_stumble_over(elves: tuple[Path, ...]) -> None:
    facts = [by_ours(path) for path in elves]
    assert sum(bool(each.runpath) for each in facts) > 10
    assert sum(bool(each.defined_versions) for each in facts) > 10
    assert sum(bool(each.interpreter) for each in facts) > 50
    assert sum(not each.needed for each in facts) > 3, "static programs and bare libraries"
    assert sum(not each.versions for each in facts) > 3
