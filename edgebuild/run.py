"""The only place that starts a process. A Command is a value, so tests compare it instead of running it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgebuild.errors import BuildError, NotAvailable

_TAIL_LINES = 20
_GRACE_S = 3.0


# What people's shells, conda or a surrounding `make` may carry, and what would end up in products that others
# share: taken out of the environment of every compiler and build tool.
CLEAN_BUILD_ENV: Mapping[str, None] = dict.fromkeys(
    (
        "AR", "AS", "CC", "CFLAGS", "CMAKE_ARGS", "CMAKE_GENERATOR", "CMAKE_INSTALL_PREFIX", "CMAKE_PREFIX_PATH",
        "CMAKE_TOOLCHAIN_FILE", "CPATH", "CPLUS_INCLUDE_PATH", "CPPFLAGS", "CXX", "CXXFLAGS", "C_INCLUDE_PATH",
        "DESTDIR", "LD", "LDFLAGS", "LIBRARY_PATH", "MAKEFILES", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "NM", "RANLIB",
        "SKBUILD_CMAKE_ARGS", "SKBUILD_CMAKE_DEFINE", "STRIP",
    )
)  # fmt: skip


@dataclass(frozen=True, init=False)
class Command:
    """argv with its surroundings. env is added to the inherited environment; None removes a variable."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    timeout_s: float | None = None

    def __init__(
        self,
        *argv: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        object.__setattr__(self, "argv", tuple(str(argument) for argument in argv))
        object.__setattr__(self, "cwd", cwd)
        object.__setattr__(self, "env", dict(env or {}))
        object.__setattr__(self, "timeout_s", timeout_s)

    def environment(self) -> dict[str, str]:
        merged: dict[str, str | None] = {**os.environ, **self.env}
        return {name: value for name, value in merged.items() if value is not None}


@dataclass(frozen=True)
class Completed:
    """stdout and stderr are text; where a log file took them, both are empty."""

    returncode: int
    stdout: str = ""
    stderr: str = ""


class Runner(Protocol):
    """What stages take to touch the world. Fakes in tests record commands."""

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        """Runs to the end. log_file: appended to, gets stdout and stderr. check: a failure raises BuildError."""
        ...


def run(command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
    """The real Runner. The child leads its own process group, so an interrupt ends its whole family."""
    if log_file is None:
        completed = _run(command, subprocess.PIPE, subprocess.PIPE)
    else:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command.argv)}\n")
            log.flush()
            completed = _run(command, log.fileno(), subprocess.STDOUT)
    if check and completed.returncode != 0:
        raise _failure(command, completed, log_file)
    return completed


def stream(command: Command) -> int:
    """Runs with our own stdin, stdout and stderr; gives the exit code, 128 + n for signal n.

    An interrupt reaches the child from the terminal as well; we wait for it to end in its own way.
    """
    process = _start(command, stdin=None, stdout=None, stderr=None, new_session=False)
    try:
        code = process.wait(command.timeout_s)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE_S * 10)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()
        raise
    except subprocess.TimeoutExpired as err:
        process.kill()
        process.wait()
        msg = f"{command.argv[0]}: still running after {command.timeout_s:g} s, ended"
        raise BuildError(msg, f"command: {' '.join(command.argv)}") from err
    return code if code >= 0 else 128 - code


def _start(
    command: Command, *, stdin: int | None, stdout: int | None, stderr: int | None, new_session: bool
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=command.environment(),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            errors="replace",
            start_new_session=new_session,
        )
    except OSError as err:
        problem = "no such program" if isinstance(err, FileNotFoundError) else f"cannot be started ({err.strerror})"
        msg = f"{command.argv[0]}: {problem}"
        raise NotAvailable(msg, "`edgebuild doctor` says what is missing and how to get it.") from err


def _run(command: Command, stdout: int, stderr: int) -> Completed:
    process = _start(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, new_session=True)
    try:
        out, err_text = process.communicate(timeout=command.timeout_s)
    except subprocess.TimeoutExpired as err:
        _end_family(process)
        msg = f"{command.argv[0]}: still running after {command.timeout_s:g} s, ended"
        raise BuildError(msg, f"command: {' '.join(command.argv)}") from err
    except BaseException:
        _end_family(process)
        raise
    return Completed(process.returncode, out or "", err_text or "")


def _end_family(process: subprocess.Popen[str]) -> None:
    """Asks the whole group to end, then ends it: a child that ignores the request may outlive its parent."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failure(command: Command, completed: Completed, log_file: Path | None) -> BuildError:
    text = log_file.read_text(errors="replace") if log_file else completed.stdout + completed.stderr
    tail = "\n".join(f"  | {line}" for line in text.splitlines()[-_TAIL_LINES:])
    name = Path(command.argv[0]).name
    status = f"exit {completed.returncode}" if completed.returncode >= 0 else f"signal {-completed.returncode}"
    where = f"whole log: {log_file}" if log_file else f"command: {' '.join(command.argv)}"
    return BuildError(f"{name} failed ({status})\n{tail}", where)
