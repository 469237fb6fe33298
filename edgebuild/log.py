"""What people see while work is under way: steps and progress on stderr; stdout carries results only."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_TTY_REFRESH_S = 0.1


class Step:
    """One line of work in progress. `cached()` marks it as reused, `progress()` moves its bar."""

    def __init__(self, log: Log, title: str) -> None:
        self._log = log
        self._last_drawn_s = 0.0
        self.title = title
        self.note = ""

    def cached(self) -> None:
        self.note = "cached"

    def progress(self, done: int, total: int, unit: str = "") -> None:
        """done/total: bytes when unit is "B" (shown as MB), else counted things."""
        now_s = time.monotonic()
        if not self._log.live or (now_s - self._last_drawn_s < _TTY_REFRESH_S and done < total):
            return
        self._last_drawn_s = now_s
        width = 24
        filled = width * done // total if total else 0
        bar = "█" * filled + "░" * (width - filled)
        amount = f"{done / 1e6:.1f}/{total / 1e6:.1f} MB" if unit == "B" else f"{done}/{total} {unit}".rstrip()
        self._log.draw(f"‣ {self.title} {bar} {amount}")


class Log:
    """Steps and notes, one writer. live: redraw a line in place (a terminal, and not NO_COLOR/dumb)."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self.quiet = quiet
        self.live = not quiet and self._stream.isatty() and os.environ.get("TERM") != "dumb"

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A line that appears when work starts (on a terminal) and stays, with its seconds, when it ends."""
        step = Step(self, title)
        self.draw(f"‣ {title} …")
        started_s = time.monotonic()
        try:
            yield step
        except BaseException:
            self._finish(f"✗ {title} … {time.monotonic() - started_s:.1f} s")
            raise
        note = f" ({step.note})" if step.note else ""
        self._finish(f"‣ {title} … {time.monotonic() - started_s:.1f} s{note}")

    def note(self, text: str) -> None:
        """A line that stays: something the reader should know but need not act on."""
        self._finish(f"  {text}")

    def draw(self, line: str) -> None:
        """Replaces the live line; silent where lines cannot be replaced."""
        if self.live:
            with self._lock:
                self._stream.write(f"\r\x1b[2K{line}")
                self._stream.flush()

    def _finish(self, line: str) -> None:
        if self.quiet:
            return
        with self._lock:
            self._stream.write(f"\r\x1b[2K{line}\n" if self.live else f"{line}\n")
            self._stream.flush()
