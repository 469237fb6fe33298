"""Unit tests keep what CONTRIBUTING.md promises of them: no network beyond this machine, and seconds of CPU."""

from __future__ import annotations

import resource
import socket
from typing import Any

import pytest

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


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Own and children's CPU time of a whole, passing run of the suite."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent_s = sum(each.ru_utime + each.ru_stime for each in usage)
    print(f"\nunit tests: {spent_s:.1f} s of CPU")
    if exitstatus == 0 and spent_s > CPU_LIMIT_S:
        print(f"that is more than the {CPU_LIMIT_S:g} s that CONTRIBUTING.md promises")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
