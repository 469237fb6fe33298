"""What nobody should ever send us: damaged and hostile artifacts end with a message, soon, and touch nothing else.

EDGEBUILD_FUZZ says how many (default 1000; `make fuzz` takes 20000). An input is known by its number:
`python -m tests.fuzz.worker FOLDER NUMBER 1 NUMBER+1` repeats one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.inputs import make
from tests.fuzz.worker import CPU_S, MEMORY_BYTES

REPOSITORY = Path(__file__).resolve().parents[2]
COUNT = int(os.environ.get("EDGEBUILD_FUZZ", "1000"))
WORKERS = min(os.cpu_count() or 1, 8)
ENDINGS = {"passes", "refused", "VerificationError", "ConfigError"}


def run_worker(folder: Path, first: int, step: int, end: int) -> Iterator[dict[str, Any]]:
    """What came of every input; one that ended its process is told as such, and the next process goes on behind it."""
    while first < end:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.fuzz.worker",
            str(folder),
            *map(str, (first, step, end)),
        ]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=3600, check=False)
        begun = None
        for line in done.stdout.splitlines():
            said = json.loads(line)
            if said.get("begun"):
                begun = said
            else:
                begun = None
                yield said
        if begun is None:
            assert done.returncode == 0, done.stderr[-2000:]
            return
        yield {**begun, "outcome": f"ended by {done.returncode}", "message": done.stderr[-2000:], "outside": []}
        first = begun["number"] + step


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    def share(worker: int) -> list[dict[str, Any]]:
        return list(run_worker(tmp_path_factory.mktemp(f"fuzz{worker}"), worker, WORKERS, COUNT))

    with ThreadPoolExecutor(WORKERS) as pool:
        results = [each for part in pool.map(share, range(WORKERS)) for each in part]
    slowest = max(each.get("cpu_s", CPU_S) for each in results)
    largest = max(each.get("memory_mib", 0) for each in results)
    print(f"\n{len(results)} inputs: {dict(Counter(each['outcome'] for each in results))}")
    print(f"slowest {slowest:.1f} s of CPU (allowed {CPU_S:g}), largest {largest} MiB (allowed {MEMORY_BYTES >> 20})")
    return results


def shown(results: list[dict[str, Any]]) -> list[str]:
    return [f"{each['number']} ({each['kind']}): {each['outcome']} {each.get('message', '')}" for each in results[:5]]


def test_every_input_was_tried(results: list[dict[str, Any]]) -> None:
    assert sorted(each["number"] for each in results) == list(range(COUNT))
    assert len({each["kind"] for each in results}) > 15, "every kind of damage took part"


def test_every_input_ends_with_a_verdict_or_with_an_error_in_words(results: list[dict[str, Any]]) -> None:
    """No crash, no hang, no more memory than allowed: the worker's limits end its process otherwise."""
    assert shown([each for each in results if each["outcome"] not in ENDINGS]) == []
    assert {each["outcome"] for each in results} == ENDINGS, "the damage is neither too small nor too great"


def test_nothing_was_written_outside_and_nothing_was_left(results: list[dict[str, Any]]) -> None:
    assert [each for each in results if each["outside"] or each.get("left")] == []


def test_an_input_is_known_by_its_number() -> None:
    assert make(41) == make(41)
    assert make(41) != make(42)


def test_the_guard_notices_what_is_written_outside(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    program = (
        "import os, pathlib, sys; from tests.fuzz.worker import Guard\n"
        f"guard = Guard(pathlib.Path({str(inside)!r}))\n"
        f"open({str(inside / 'a')!r}, 'w'); os.symlink('..', {str(inside / 'up')!r})\n"
        f"open({str(inside / 'up/b')!r}, 'wb'); os.mkdir({str(tmp_path / 'c')!r})\n"
        "print(*(each.rsplit('/', 1)[1] for each in guard.outside))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["b", "c"]
