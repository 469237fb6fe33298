"""The box program over its whole life: switches, and kills between any two of its steps. A second per step: CI takes
every seventh, `make kills` each.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.box_answers import *  # noqa: F403 - the same answers under the shells of boxes
from tests.local_box import LocalBox, LocalRelease, local_box, quick_tools, write_program

SHELLS = ("busybox", "dash", "bash")
FIRST = LocalRelease("1.0-aa", links={"lib/link": "a file"})
SECOND = LocalRelease("2.0-bb")
THIRD = LocalRelease("3.0-cc")
UNWELL = LocalRelease("bad-dd", health="echo 'no frames'; exit 1\n", facts={"HEALTH_TIMEOUT_S": "1"})
RELEASES = {each.id: each for each in (FIRST, SECOND, THIRD, UNWELL)}

# Everything that changes a box is one of these commands, or a file written for one of them to rename.
STEPS = ("mv", "ln", "rm", "mkdir", "tar", "chmod")
WORKERS = 4
STRIDE = int(os.environ.get("EDGEBUILD_KILL_STRIDE", "7"))  # every so many steps, from a random one on; `make kills`: 1


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[LocalBox]:
    """Its seconds are tenths, which the applets inside busybox's shell would not know."""
    with local_box(tmp_path / "box", "dash", quick_tools(tmp_path)) as box:
        yield box


def test_update_rollback_and_a_release_that_is_not_well(quick: LocalBox) -> None:
    second = LocalRelease("2.0-bb")
    unwell = LocalRelease("3.0-cc", health="echo 'no frames'; exit 1\n", facts={"HEALTH_TIMEOUT_S": "1"})
    crashing = LocalRelease("4.0-dd", run="echo 'no camera'; exit 3\n", facts={"HEALTH_TIMEOUT_S": "2"})
    (quick.home / "state").mkdir()
    (quick.home / "state" / "site.yaml").write_text("edited on site\n")

    assert quick.deploy(FIRST).succeed().values == {
        "outcome": "updated",
        "after": FIRST.id,
        "health": f"well: {FIRST.id}",
    }
    assert quick.deploy(second).succeed().values["before"] == FIRST.id
    assert quick.beats(second.id)
    for release, reason in (unwell, "no frames"), (crashing, "no camera"):
        answer = quick.deploy(release)
        assert (answer.code, answer.values["outcome"]) == (13, "rolled_back")
        assert answer.values["before"] == answer.values["after"] == second.id
        assert reason in answer.values["health"]
        assert quick.beats(second.id)
    assert quick.call("rollback").succeed().values["after"] == FIRST.id
    assert quick.beats(FIRST.id)
    assert len(quick.programs()) == 1

    state = quick.call("probe").values
    assert (state["current"], state["previous"], state["running"]) == (FIRST.id, second.id, "yes")
    assert "trial" not in state
    assert (quick.home / "state" / "site.yaml").read_text() == "edited on site\n"
    outcomes = [line.rpartition("=")[2] for line in quick.log("deploy.log").splitlines()]
    assert outcomes == [*["received", "updated"] * 2, *["received", "rolled_back"] * 2, "updated"]


def test_stop_start_and_a_program_that_crashes(quick: LocalBox) -> None:
    quick.deploy(FIRST).succeed()
    assert quick.call("stop").succeed().values == {"running": "no"}
    assert not quick.programs()
    assert quick.call("start").succeed().values == {"running": "yes"}
    quick.beats(FIRST.id)
    (session,) = quick.programs()
    os.killpg(session, 9)
    quick.beats(FIRST.id)
    assert "ended with status 137" in quick.log("app.log")


def test_a_first_release_that_is_not_well_leaves_the_box_as_it_was(quick: LocalBox) -> None:
    answer = quick.deploy(LocalRelease("1", health="exit 1\n", facts={"HEALTH_TIMEOUT_S": "0"}))
    assert (answer.code, answer.values["outcome"], quick.current()) == (13, "failed", "")
    assert not quick.programs()
    quick.deploy(FIRST).succeed()


def test_the_switch_outlives_its_connection(quick: LocalBox) -> None:
    quick.deploy(FIRST).succeed()
    second = LocalRelease("2.0-bb", facts={"HEALTH_FOR_S": "1"})
    quick.receive(second).succeed()
    connection = quick.begin("activate", second.id)
    while not (quick.home / "trial").exists():
        time.sleep(0.01)
    os.killpg(connection.pid, 9)
    connection.communicate()
    deadline = time.monotonic() + 10
    while (quick.home / "trial").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert quick.beats(second.id)
    assert quick.call("probe").values["current"] == second.id
    assert quick.log("deploy.log").endswith(f"verb=activate before={FIRST.id} after={second.id} outcome=updated\n")


SYSTEMCTL = """\
echo "$*" >>"$EDGEBUILD_ROOT/said"
unit="$EDGEBUILD_ROOT/etc/systemd/system/$2"
[ "$1" != start ] || eval "setsid $(sed -n 's/^ExecStart=//p' "$unit") </dev/null >/dev/null 2>&1 &"
"""


def test_systemd_has_a_unit_that_starts_at_boot(quick: LocalBox) -> None:
    """The unit itself is real, and its command is started as it is written there; the manager is not real."""
    (quick.root / "run" / "systemd" / "system").mkdir(parents=True)
    write_program(quick.root / "bin" / "systemctl", SYSTEMCTL)
    quick.deploy(FIRST).succeed()
    quick.beats(FIRST.id)
    said = (quick.root / "said").read_text().splitlines()
    name = "edgebuild-app.service"
    assert said == [f"enable {name}", "daemon-reload", f"reset-failed {name}", f"start {name}"]
    unit = (quick.root / "etc" / "systemd" / "system" / name).read_text()
    assert f'RequiresMountsFor="{quick.home}"' in unit and "WantedBy=multi-user.target" in unit
    assert not list(quick.init.iterdir())


def test_a_program_that_ignores_the_polite_signal_is_ended_with_its_children(quick: LocalBox) -> None:
    stubborn = 'trap "" TERM; (while :; do sleep 0.1; done) & echo 1 >"$RUN/status"; wait; while :; do sleep 1; done\n'
    quick.deploy(LocalRelease("1", run=stubborn, health="", facts={"STOP_S": "1"})).succeed()
    (session,) = quick.programs()
    quick.deploy(FIRST).succeed()
    quick.beats(FIRST.id)
    assert session not in quick.programs()
    assert len(quick.programs()) == 1


# ---- Kills ----------------------------------------------------------------------------------------------------------


DEADLY = """\
if [ -f "${{KILL_COUNT:-}}" ]; then
    echo step >>"$KILL_COUNT"
    [ $(wc -l <"$KILL_COUNT") != "$KILL_AT" ] || {{ kill -9 $PPID; kill -9 0; }}
fi
exec {real} "$@"
"""


def deadly_tools(folder: Path) -> Path:
    """Commands that count themselves; the one whose number is $KILL_AT takes its caller, with all its group, along."""
    tools = quick_tools(folder)
    for name in STEPS:
        write_program(tools / name, DEADLY.format(real=shutil.which(name)))
    return tools


Act = Callable[[LocalBox, dict[str, str]], object]
After = Callable[[LocalBox], object]


def receive_second(box: LocalBox, deadly: dict[str, str]) -> None:
    box.deploy(FIRST).succeed()
    with contextlib.suppress(BrokenPipeError):
        box.receive(SECOND, **deadly)


def activate_second(box: LocalBox, deadly: dict[str, str]) -> None:
    box.deploy(FIRST).succeed()
    box.receive(SECOND).succeed()
    box.call("activate", SECOND.id, **deadly)


def activate_first(box: LocalBox, deadly: dict[str, str]) -> None:
    box.receive(FIRST).succeed()
    box.call("activate", FIRST.id, **deadly)


def activate_unwell(box: LocalBox, deadly: dict[str, str]) -> None:
    box.deploy(FIRST).succeed()
    box.receive(UNWELL).succeed()
    box.call("activate", UNWELL.id, **deadly)


def roll_back(box: LocalBox, deadly: dict[str, str]) -> None:
    box.deploy(SECOND).succeed()
    box.deploy(FIRST).succeed()
    box.call("rollback", **deadly)


def boot_in_a_trial(box: LocalBox, deadly: dict[str, str]) -> None:
    """Power went in the trial, and goes again in the boot that takes it back."""
    box.deploy(FIRST).succeed()
    box.receive(UNWELL).succeed()
    begun = box.begin("activate", UNWELL.id)
    while box.current() != UNWELL.id:
        time.sleep(0.01)
    box.cut_power()
    begun.communicate()
    box.environment.update(deadly)
    box.boot()
    time.sleep(1.5)
    for name in deadly:
        del box.environment[name]


def reboot(box: LocalBox) -> None:
    box.cut_power()
    box.boot()


def lose_all_but_the_program(box: LocalBox) -> None:
    """Nobody is left to take anything back until the next deployment."""
    box.kill(programs=False)


def nothing(box: LocalBox) -> None:
    """The supervisor is left."""


# act -> what may run afterwards
ACTS: dict[Act, tuple[LocalRelease, ...]] = {
    receive_second: (FIRST,),
    activate_second: (FIRST, SECOND),
    activate_unwell: (FIRST,),
    activate_first: (FIRST,),
    roll_back: (FIRST, SECOND),
    boot_in_a_trial: (FIRST,),
}


@pytest.mark.parametrize("after", [reboot, nothing, lose_all_but_the_program], ids=lambda each: each.__name__)
@pytest.mark.parametrize("act", ACTS, ids=lambda each: each.__name__)
def test_a_kill_at_any_step(act: Act, after: After, tmp_path: Path) -> None:
    tools = deadly_tools(tmp_path)

    def killed_at(step: int) -> bool:
        """False when there were not so many steps."""
        count, counted = tmp_path / f"count {step}", tmp_path / f"counted {step}"
        with local_box(tmp_path / f"box {step}", "dash", tools) as box:
            count.touch()
            act(box, {"KILL_AT": str(step), "KILL_COUNT": str(count)})
            count.rename(counted)  # nobody is killed any more, also not whom the act started
            try:
                after(box)
                assert_recovers(box, ACTS[act], booted=after is reboot)
            except AssertionError as err:
                raise AssertionError(f"killed at step {step}: {err}") from err
        return len(counted.read_text().split()) >= step

    place, tried, killed = random.randint(1, STRIDE), 0, [True]
    with ThreadPoolExecutor(WORKERS) as pool:
        while all(killed):
            killed = list(pool.map(killed_at, range(place, place + WORKERS * STRIDE, STRIDE)))
            place += WORKERS * STRIDE
            tried += sum(killed)
    print(f"{act.__name__}, {after.__name__}: killed at {tried} steps, {STRIDE} apart")
    assert tried * STRIDE > 6


def assert_recovers(box: LocalBox, possible: tuple[LocalRelease, ...], *, booted: bool) -> None:
    """After a boot, or after the next verb, a whole release runs that may; and the next deployment succeeds."""
    if not booted:
        box.receive(THIRD).succeed()
    if box.current():  # a first release whose switch had not begun is just not there
        assert_runs_one_of(box, possible)
    box.deploy(THIRD).succeed()
    assert_runs_one_of(box, (THIRD,))
    state = box.call("probe").succeed().values
    assert set(state["releases"].split()) == {state["current"], state.get("previous", state["current"])}
    assert not any((box.home / "incoming").iterdir())
    for release in state["releases"].split():
        box.assert_whole(RELEASES[release])


def assert_runs_one_of(box: LocalBox, possible: tuple[LocalRelease, ...]) -> None:
    versions = [each.id for each in possible]
    # A worker whose caller was killed is still at work, and a dead one's trial is the supervisor's to end.
    deadline = time.monotonic() + 30
    while (version := box.beats(*versions)) != box.current() or unsettled(box):
        assert time.monotonic() < deadline, (version, box.current(), unsettled(box))
        time.sleep(0.2)
    box.assert_whole(RELEASES[version])
    assert len(box.programs()) == 1


def unsettled(box: LocalBox) -> set[str]:
    return {"trial", "confirmed"} & {path.name for path in box.home.iterdir()}


@pytest.mark.parametrize("shell", SHELLS)
def test_kills_at_random_moments(shell: str, tmp_path: Path) -> None:
    """Of anything: between commands and in the middle of them, of one process or all."""
    seed = time.time_ns()
    print(f"seed {seed}")

    def run(number: int) -> None:
        dice = random.Random(seed + number)
        with local_box(tmp_path / f"box {number}", shell) as box:
            box.deploy(FIRST).succeed()
            for _ in range(3):
                kill_at_random(box, dice)
            assert_recovers(box, (FIRST, SECOND), booted=False)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(run, range(2 * WORKERS)))


def kill_at_random(box: LocalBox, dice: random.Random) -> None:
    verb = dice.choice(("receive", "activate", "rollback"))
    if verb == "activate":
        box.receive(SECOND).succeed()
    begun = box.begin(verb, *({"receive": [SECOND.id], "activate": [SECOND.id]}.get(verb, [])))
    if verb == "receive":
        with contextlib.suppress(BrokenPipeError):
            begun.stdin.write(SECOND.stream())  # type: ignore[union-attr]
            begun.stdin.close()  # type: ignore[union-attr]
    time.sleep(dice.uniform(0, 2))
    match dice.choice(("one", "group", "all but the program", "power")):
        case "one":
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(dice.choice(box.processes()), signal.SIGKILL)
        case "group":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(begun.pid, signal.SIGKILL)
        case "all but the program":
            box.kill(programs=False)
        case "power":
            box.cut_power()
            box.boot()
    begun.wait(60)
