"""The one way to a box: a command, bytes for its stdin, and what it answered. Over SSH it is SshTransport."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgebuild.errors import BoxError
from edgebuild.model.box import Address

CALL_TIMEOUT_S = 60.0


class ConnectionLost(BoxError):
    """The connection went away in the middle of a call: what the box did with it is not known."""


@dataclass(frozen=True)
class Reply:
    """code: exit status of the command. The last 64 KiB of stderr are kept."""

    code: int
    stdout: str = ""
    stderr: str = ""


class Transport(Protocol):
    """An open way to one box. Fakes in tests are short programs."""

    @property
    def address(self) -> str:
        """For messages: "user@host:port"."""
        ...

    def call(
        self,
        command: str,
        *,
        stdin: bytes | Iterable[bytes] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        sink: Callable[[bytes], object] | None = None,
    ) -> Reply:
        """Runs one command. timeout_s: the longest time in which nothing moves in either direction.

        sink: takes stdout as it comes, for more than fits into an answer (4 MiB); Reply.stdout is empty then.
        Raises ConnectionLost when the connection dies or the command ends without an exit status.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Login:
    """How to reach a box. key: private key file; None: the agent and ~/.ssh/id_*. via: jump host.

    known_hosts: None means the user's and the system's own.
    """

    address: Address
    key: Path | None = None
    via: Address | None = None
    known_hosts: Path | None = None
