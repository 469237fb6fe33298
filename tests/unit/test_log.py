"""Steps on stderr: whole lines where nobody watches, a moving one on a terminal, none when quiet."""

from __future__ import annotations

from io import StringIO

import pytest

from edgebuild.log import Log


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_is_one_line_with_its_seconds() -> None:
    stream = StringIO()
    with Log(stream).step("Providing sysroot") as step:
        step.progress(1, 2, "files")
    assert stream.getvalue().startswith("‣ Providing sysroot … ")
    assert stream.getvalue().endswith(" s\n")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_what_was_reused_says_so() -> None:
    stream = StringIO()
    with Log(stream).step("Providing sysroot") as step:
        step.cached()
    assert stream.getvalue().endswith(" s (cached)\n")


def test_a_step_that_fails_is_marked_and_the_error_goes_on() -> None:
    stream = StringIO()
    with pytest.raises(KeyboardInterrupt), Log(stream).step("Compiling"):
        raise KeyboardInterrupt
    assert stream.getvalue().startswith("✗ Compiling … ")


def test_a_terminal_sees_the_step_start_and_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Log(stream).step("Fetching") as step:
        assert "‣ Fetching …" in stream.getvalue()
        step.progress(2_500_000, 5_000_000, "B")
        assert "████████████░░░░░░░░░░░░ 2.5/5.0 MB" in stream.getvalue()


def test_progress_of_unknown_length_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with Log(Terminal()).step("Fetching") as step:
        step.progress(100, 0, "B")


def test_quiet_says_nothing() -> None:
    stream = Terminal()
    log = Log(stream, quiet=True)
    with log.step("Fetching") as step:
        step.progress(1, 2)
    log.note("by the way")
    assert stream.getvalue() == ""
