"""Unit tests keep what CONTRIBUTING.md promises of them: no network beyond this machine, and seconds of CPU."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
CPU_LIMIT_S = 20.0  # 2,100 tests take 11 to 13 on an idle machine, and up to a quarter more on a busy one


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to another machine is a failure, not a slow test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "unix"
        assert host in ("127.0.0.1", "::1", "localhost", "unix"), f"a unit test connects to {host}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


# ---- CPU time: of this suite's tests and of the import of its files, whatever else the same run has ----


class _Suite:
    spent_s = 0.0


def _now_s() -> float:
    """CPU time of this process and of what it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


@contextlib.contextmanager
def _counted(path: Path) -> Iterator[None]:
    before_s = _now_s()
    yield
    if path.is_relative_to(_HERE):
        _Suite.spent_s += _now_s() - before_s


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    with _counted(collector.path):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    with _counted(item.path):
        return (yield)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """For a whole, passing run of the suite."""
    print(f"\nunit tests: {_Suite.spent_s:.1f} s of CPU")
    if exitstatus == 0 and _Suite.spent_s > CPU_LIMIT_S:
        print(f"that is more than {CPU_LIMIT_S:g} s, and CONTRIBUTING.md promises seconds")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
