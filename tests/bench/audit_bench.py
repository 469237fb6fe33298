"""How fast the audit is, beside what two readers need for a part of it: `python -m tests.bench.audit_bench`.

One folder with every arm64 ELF file of the truth test, judged by Debian 13's contract. CPU seconds, of children too;
medians of three runs, except for the one with instructions. All files are in memory: disks are not what is compared.

our reader, lief, pyelftools   the same facts of every file: machine, libraries, versions, dynamic symbols, segments
headers                        our reader, and the audit of what it read
whole, cold                    as edgebuild.api.audit_path does it: digests, strings, scripts, links, findings
instructions                   the same with disassembly, and everything kept for the next time
warm                           the same again in a process that knows the contract
warm, new process              the command line, with Python's start and the contract's file
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edgebuild.api import audit_path
from edgebuild.audit.engine import audit
from edgebuild.config.contracts import save_contract
from edgebuild.elf import read_elf
from edgebuild.log import Log
from edgebuild.model.contract import Provided
from edgebuild.model.tree import TreeFacts
from edgebuild.workspace import Workspace
from tests.bench.elves import provide_elves
from tests.bench.readers import by_lief, by_pyelftools
from tests.truth.roots import provide_roots

_RUNS = 3
_REFUSED = 5
_CONTRACT = "box.yaml"
_LIMITS_CPU_S = {"headers": 1.0, "instructions": 30.0, "warm": 0.1}


def main() -> int:
    """Exit code 1 where a limit does not hold."""
    ws = Workspace.open(project=Path.cwd(), out=None, log=Log())
    elves = provide_elves(ws)
    provided = provide_roots(ws)[-1].provided
    with ws.scratch("bench") as scratch:
        folder = scratch / "set"
        size_bytes = _link(elves, folder)
        for path in elves:
            path.read_bytes()  # from memory for everybody: disks are not what is compared
        print(f"{len(elves)} ELF files, {size_bytes / 2**20:.0f} MiB, {os.cpu_count()} CPUs")
        measured = _measure(folder, elves, provided, ws, scratch)
    for name, cpu_s in measured.items():
        limit = _LIMITS_CPU_S.get(name)
        verdict = "" if limit is None else f"limit {limit:g} s: {'holds' if cpu_s < limit else 'BROKEN'}"
        print(f"{name:28}{cpu_s:9.3f} CPU s   {verdict}".rstrip())
    for other in ("lief", "pyelftools"):
        print(f"{other + ' / our reader':28}{measured[other] / measured['our reader']:9.1f} times")
    return int(any(measured[name] >= limit for name, limit in _LIMITS_CPU_S.items()))


def _measure(
    folder: Path, elves: tuple[Path, ...], provided: Provided, ws: Workspace, scratch: Path
) -> dict[str, float]:
    def whole(cache: str, *, isa: bool) -> TreeFacts:
        os.environ["EDGEBUILD_CACHE"] = str(scratch / cache)
        verdict = audit_path(folder, provided, isa=isa)
        assert len(verdict.tree.elves) == len(elves)
        assert not verdict.passes
        return verdict.tree

    def headers() -> None:
        facts = tuple(read_elf(path, name=path.relative_to(folder).as_posix()) for path in linked)
        assert audit(TreeFacts(path="set", kind="folder", elves=facts), provided)

    def command() -> None:
        env = {**os.environ, "EDGEBUILD_CACHE": str(scratch / "deep")}
        argv = [sys.executable, "-m", "edgebuild", "audit", folder, "--contract", scratch / _CONTRACT, "--json"]
        done = subprocess.run(argv, env=env, capture_output=True, check=False)
        assert done.returncode == _REFUSED, done.stderr

    linked = sorted(path for path in folder.rglob("*") if path.is_file())
    save_contract(provided, scratch / _CONTRACT, header="made by the benchmark")
    runs = iter(range(_RUNS))
    measured = {
        "our reader": _median(lambda: [read_elf(path) for path in elves]),
        "lief": _median(lambda: [by_lief(path) for path in elves]),
        "pyelftools": _median(lambda: [by_pyelftools(path) for path in elves]),
        "headers": _median(headers),
        "whole, cold": _median(lambda: whole(f"cold-{next(runs)}", isa=False)),
        "instructions": _cpu_s(lambda: whole("deep", isa=True)),
        "warm": _median(lambda: whole("deep", isa=True)),
    }
    return {**measured, "warm, new process": _median(command)}


def _link(elves: tuple[Path, ...], folder: Path) -> int:
    """As the files would lie in one artifact; their total size."""
    for number, path in enumerate(elves):
        place = folder / f"{number // 50:02}" / f"{number:03}-{path.name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, place)
    return sum(path.stat().st_size for path in elves)


def _median(job: Callable[[], object]) -> float:
    return statistics.median(_cpu_s(job) for _ in range(_RUNS))


def _cpu_s(job: Callable[[], object]) -> float:
    def used() -> float:
        return sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )

    before = used()
    job()
    return used() - before


if __name__ == "__main__":
    sys.exit(main())
