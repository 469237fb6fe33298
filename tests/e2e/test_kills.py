"""Whatever is killed, whenever: the box runs a complete old or new release, and the next deployment succeeds.

EDGEBUILD_KILLS says how often (`make kills`: 100). EDGEBUILD_KILLS_SEED repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.workspace import Workspace
from tests.boxes import Box, Rack, Relay
from tests.e2e.deploying import ROOT, Home, deploy, reach, result_of
from tests.e2e.harness import REPOSITORY
from tests.e2e.releases import Workshop

RUNS = int(os.environ.get("EDGEBUILD_KILLS", "10"))
SEED = int(os.environ.get("EDGEBUILD_KILLS_SEED", str(int(time.time()))))
VICTIMS = ("controller", "connection", "box", "worker")
OLD, NEW = "1.0.0", "2.0.0"
_SETTLED_S = 60


@pytest.fixture
def home(cache: Workspace, tmp_path: Path) -> Iterator[Home]:
    with Rack.open(tmp_path / "rack", cache) as rack:
        yield Home(rack.add("dropbear"), "beat")


def test_a_kill_at_any_moment_leaves_a_complete_release(home: Home, workshop: Workshop) -> None:
    releases = {version: workshop.release(version) for version in (OLD, NEW)}
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    deploy(home.box, releases[OLD], workshop.trusted).succeed()
    usual_s = float(result_of(deploy(home.box, releases[NEW], workshop.trusted).succeed())["seconds"])
    seen: Counter[tuple[str, str]] = Counter()
    running = NEW
    for run in range(RUNS):
        wanted = OLD if running == NEW else NEW
        victim = VICTIMS[run % len(VICTIMS)]
        delay_s = dice.uniform(0, 1.2 * usual_s)
        kill(victim, home, releases[wanted], workshop, delay_s)
        place = f"run {run}: {victim} killed after {delay_s:.2f} of {usual_s:.1f} s, seed {SEED}"
        found = after_kill(home, {each: releases[each] for each in (running, wanted)}, place)
        seen[victim, "new" if found == wanted else "old"] += 1
        result = result_of(deploy(home.box, releases[wanted], workshop.trusted).succeed())
        assert result["outcome"] in ("updated", "unchanged"), f"{place}\n{result}"
        assert home.assert_beats(wanted)
        home.assert_complete(releases[wanted])
        running = wanted
    for (victim, state), times in sorted(seen.items()):
        print(f"{victim} killed: box ran the {state} release in {times} of {RUNS} runs")


def after_kill(home: Home, releases: dict[str, Path], place: str) -> str:
    """The version that runs, whole, once the box is up and has finished what it was at: a supervisor whose worker was
    killed takes a moment to notice and go back, and until then what runs and what is current may be two.
    """
    if not home.box.answers():
        home.box.boot()
    deadline = time.monotonic() + _SETTLED_S
    while True:
        try:
            assert not lock_holder(home)
            version = home.assert_beats(*releases)
            home.assert_complete(releases[version])
            return version
        except AssertionError as err:
            if time.monotonic() > deadline:
                log = home.path("log/deploy.log").read_text()[-2000:]
                raise AssertionError(f"{place}\n{err}\n{log}") from err
            time.sleep(0.2)


def lock_holder(home: Home) -> str:
    """The process on the box that is changing something, "" when there is none."""
    place = f"{ROOT}/{home.name}"
    answer = home.box.run(f"sh {place}/box.sh probe {place}").stdout
    return next((line.partition("=")[2].split(".")[0] for line in answer.splitlines() if line.startswith("busy=")), "")


def kill(victim: str, home: Home, release: Path, workshop: Workshop, delay_s: float) -> None:
    """Begins a deployment and kills one party to it after a while."""
    box = home.box
    with Relay(box.address, box.port) as relay:
        known_hosts = box.known_hosts.with_name("known_hosts.relay")
        key_line = box.host_key.partition(" ")[2]
        known_hosts.write_text(f"[{relay.address}]:{relay.port} {key_line}\n")
        words = [*reach(box, port=relay.port, address=relay.address)[:3], "--known-hosts", known_hosts]
        command = ["deploy", *words, "--release", release, "--trusted", workshop.trusted]
        process = subprocess.Popen(
            [sys.executable, "-m", "edgebuild", *map(str, command)],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        wait_for_connection(relay)
        time.sleep(delay_s)
        match victim:
            case "controller":
                process.send_signal(signal.SIGKILL)
            case "connection":
                relay.refuse()
                relay.cut()
            case "box":
                box.power_cut()
            case "worker":
                kill_worker(box, home)
        process.kill() if victim != "worker" else process.wait(120)
        process.wait(120)


def kill_worker(box: Box, home: Home) -> None:
    """Nobody restarts the worker: the supervisor, which it leaves behind, has to see to it."""
    if pid := lock_holder(home):
        box.run(f"kill -9 {pid}")


def wait_for_connection(relay: Relay) -> None:
    deadline = time.monotonic() + 30
    while not relay.connections and time.monotonic() < deadline:
        time.sleep(0.01)
