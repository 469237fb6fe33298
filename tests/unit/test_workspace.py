"""A product appears whole or not at all, once, however many want it and whatever goes wrong."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from io import StringIO
from pathlib import Path

import pytest

from edgebuild.errors import ConfigError
from edgebuild.log import Log
from edgebuild.workspace import Workspace, write_atomic


def make_two_files(folder: Path) -> None:
    (folder / "one").write_text("1")
    (folder / "two").write_text("2")


def test_a_product_is_made_once(ws: Workspace) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        make_two_files(folder)

    places = {ws.provide("things", "thing", "k" * 64, make, "Making") for _ in range(3)}
    assert len(made) == 1
    assert places == {ws.product("things", "thing", "k" * 64)}


def test_another_key_is_another_product(ws: Workspace) -> None:
    a, b = (ws.provide("things", "thing", key * 64, make_two_files, "Making") for key in "ab")
    assert a != b


@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_a_product_that_failed(ws: Workspace, trouble: type[BaseException]) -> None:
    def fail_half_way(folder: Path) -> None:
        (folder / "one").write_text("1")
        raise trouble

    with pytest.raises(trouble):
        ws.provide("things", "thing", "k" * 64, fail_half_way, "Making")
    assert not ws.product("things", "thing", "k" * 64).exists()
    assert list((ws.cache / "work").iterdir()) == []
    assert (ws.provide("things", "thing", "k" * 64, make_two_files, "Making") / "two").is_file()


def _provide_in_a_process(cache: Path, start: multiprocessing.synchronize.Event, trace: Path) -> None:
    ws = Workspace(cache=cache, out=cache, project=cache, log=Log(StringIO()))

    def make(folder: Path) -> None:
        with trace.open("a") as file:
            file.write(f"{os.getpid()}\n")
        make_two_files(folder)

    start.wait()
    place = ws.provide("things", "thing", "k" * 64, make, "Making")
    assert (place / "two").is_file()


def test_processes_that_want_the_same_product_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, trace = context.Event(), tmp_path / "trace"
    workers = [context.Process(target=_provide_in_a_process, args=(tmp_path / "cache", start, trace)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(trace.read_text().splitlines()) == 1


def test_a_waiting_process_says_what_it_waits_for(ws: Workspace) -> None:
    said = StringIO()
    other = Workspace(cache=ws.cache, out=ws.out, project=ws.project, log=Log(said))
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()

    def hold() -> None:
        with ws.lock("thing"):
            held.set()
            release.wait(10)

    holder = context.Process(target=hold)
    holder.start()
    assert held.wait(10)
    other.log.note = lambda text: (said.write(text), release.set())  # type: ignore[method-assign, assignment]
    with other.lock("thing"):
        pass
    holder.join(10)
    assert "waiting for another edgebuild that makes thing" in said.getvalue()


def test_a_cache_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ws = Workspace(cache=tmp_path / "file" / "cache", out=tmp_path, project=tmp_path, log=Log(StringIO()))
    with pytest.raises(ConfigError, match="cannot be used as cache"):
        ws.provide("things", "thing", "k" * 64, make_two_files, "Making")
    with pytest.raises(ConfigError, match="cannot be used as cache"), ws.scratch("audit"):
        pass


def test_the_projects_own_recipe_comes_before_the_shipped_one(ws: Workspace) -> None:
    own = ws.project / "sysroots" / "debian-11-arm64.yaml"
    assert ws.find("sysroots", own.name) != own
    own.parent.mkdir(parents=True)
    own.write_text("title: mine")
    assert ws.find("sysroots", own.name) == own


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBUILD_CACHE", str(tmp_path / "here"))
    ws = Workspace.open(project=tmp_path, out=None, log=Log(StringIO()))
    assert (ws.cache, ws.out) == (tmp_path / "here", tmp_path / "out")


def test_an_atomic_write_replaces_and_leaves_no_temporary_name(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_atomic(path, "old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_atomic_write_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError) as caught:
        write_atomic(tmp_path / "taken", "new")
    assert caught.value.filename == str(tmp_path / "taken")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def _killed_while_it_makes(cache: Path) -> None:
    ws = Workspace(cache=cache, out=cache, project=cache, log=Log(StringIO()))
    with ws.scratch("killed") as scratch:
        (scratch / "much").write_bytes(bytes(1000))
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_goes_when_the_next_starts(ws: Workspace) -> None:
    killed = multiprocessing.get_context("fork").Process(target=_killed_while_it_makes, args=(ws.cache,))
    killed.start()
    killed.join(20)
    work = ws.cache / "work"
    (left,) = work.iterdir()
    assert (left / "much").is_file()
    (work / "of-an-earlier-version").mkdir()
    with ws.scratch("mine") as mine:
        assert {*work.iterdir()} == {mine, work / "of-an-earlier-version"}


def test_what_others_are_at_stays(ws: Workspace) -> None:
    """Of other processes, and of this one's other threads."""
    context = multiprocessing.get_context("fork")
    begun, ending = context.Event(), context.Event()

    def make() -> None:
        with ws.scratch("other") as scratch:
            (scratch / "half").touch()
            begun.set()
            ending.wait(20)

    other = context.Process(target=make)
    other.start()
    assert begun.wait(20)
    with ws.scratch("mine") as mine, ws.scratch("also") as also:
        (theirs,) = {*(ws.cache / "work").iterdir()} - {mine, also}
        assert (theirs / "half").is_file() and theirs.name.startswith("other-")
    ending.set()
    other.join(20)
    assert list((ws.cache / "work").iterdir()) == []


def test_a_program_that_outlives_its_starter_does_not_hold_what_that_left(ws: Workspace, tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def start_and_die() -> None:
        with ws.scratch("killed"):
            pid.write_text(str(subprocess.Popen(["sleep", "60"]).pid))
            os.kill(os.getpid(), signal.SIGKILL)

    killed = multiprocessing.get_context("fork").Process(target=start_and_die)
    killed.start()
    killed.join(20)
    with ws.scratch("mine") as mine:
        assert [*(ws.cache / "work").iterdir()] == [mine]
    os.kill(int(pid.read_text()), signal.SIGKILL)
