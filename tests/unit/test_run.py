"""The one place that starts processes: failures become errors, and no child outlives its command."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from edgebuild.errors import BuildError, NotAvailable
from edgebuild.run import Command, run


def shell(script: str, **settings: object) -> Command:
    return Command("sh", "-c", script, **settings)  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    """A zombie that nobody has reaped yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(path: Path) -> str:
    for _ in range(500):
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        if not is_alive(pid):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still alive")


def test_commands_are_values() -> None:
    assert Command("cmake", "-B", Path("tree")) == Command("cmake", "-B", "tree")
    assert Command("cmake", env={"A": "1"}) != Command("cmake", env={"A": "2"})


def test_both_outputs_are_kept_apart() -> None:
    done = run(shell("echo out; echo err >&2"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_a_variable_can_be_added_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVED", "1")
    monkeypatch.setenv("KEPT", "2")
    done = run(shell('echo "$ADDED $KEPT ${REMOVED-gone}"', env={"ADDED": "3", "REMOVED": None}))
    assert done.stdout == "3 2 gone\n"


def test_a_failure_shows_the_end_of_the_output() -> None:
    with pytest.raises(BuildError) as caught:
        run(shell("seq 100; echo no such header >&2; exit 3"))
    assert caught.value.message.startswith("sh failed (exit 3)\n")
    assert "  | no such header" in caught.value.message
    assert "  | 100" in caught.value.message
    assert "  | 80\n" not in caught.value.message


def test_a_failure_with_a_log_points_at_it(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "core.log"
    with pytest.raises(BuildError) as caught:
        run(shell("echo told; exit 1"), log_file=log)
    assert caught.value.hint == f"whole log: {log}"
    assert log.read_text() == "$ sh -c echo told; exit 1\ntold\n"


def test_a_signal_is_named() -> None:
    with pytest.raises(BuildError, match=r"sh failed \(signal 11\)"):
        run(shell("kill -SEGV $$"))


def test_a_failure_can_be_an_answer() -> None:
    assert run(shell("exit 7"), check=False).returncode == 7


def test_a_program_that_is_not_there_is_not_available() -> None:
    with pytest.raises(NotAvailable, match="no-such-program: no such program"):
        run(Command("no-such-program"))


def test_output_that_is_not_text_does_not_stop_us() -> None:
    assert run(Command("printf", "\\377")).stdout == "\ufffd"


def test_a_timeout_ends_the_whole_family(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(BuildError, match=r"sh: still running after 0\.5 s, ended"):
        run(shell(f"sleep 60 & echo $! > {pids}; wait", timeout_s=0.5))
    wait_until_gone(int(wait_for(pids)))


def test_a_grandchild_that_ignores_the_polite_signal_ends_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    stubborn = (
        f"import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    )
    with pytest.raises(BuildError, match="still running"):
        run(shell(f'{sys.executable} -c "{stubborn}" & wait', timeout_s=0.5))
    wait_until_gone(int(wait_for(pids)))


def test_an_interrupt_ends_the_whole_family(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def interrupt_when_started() -> None:
        wait_for(pids)
        time.sleep(0.1)  # the parent is in its wait by now
        os.kill(os.getpid(), signal.SIGINT)

    # A shell starts background jobs with SIGINT ignored, and Python then leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt_when_started).start()
        with pytest.raises(KeyboardInterrupt):
            run(shell(f"sleep 60 & echo $! > {pids}; wait"))
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until_gone(int(pids.read_text()))
