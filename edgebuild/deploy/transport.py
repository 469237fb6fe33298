"""The one way to a box: a command, bytes for its stdin, and what it answered. Over SSH it is SshTransport."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgebuild.errors import BoxError, ConfigError

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
        self, command: str, *, stdin: bytes | Iterable[bytes] | None = None, timeout_s: float = CALL_TIMEOUT_S
    ) -> Reply:
        """Runs one command. timeout_s: the longest time in which nothing moves in either direction.

        Raises ConnectionLost when the connection dies or the command ends without an exit status.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Address:
    """ "[user@]host[:port]". "" and 0: what ~/.ssh/config says, else the usual."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"


@dataclass(frozen=True)
class Login:
    """How to reach a box. key: private key file; None: the agent and ~/.ssh/id_*. via: jump host.

    known_hosts: None means the user's and the system's own.
    """

    address: Address
    key: Path | None = None
    via: Address | None = None
    known_hosts: Path | None = None


def parse_address(text: str, where: str = "") -> Address:
    """Takes [v6]:port as well. where: prefix of the message. Raises ConfigError."""
    user, _, place = text.rpartition("@")
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        port = rest.removeprefix(":")
        malformed = rest not in ("", f":{port}") or rest == ":"
    elif place.count(":") > 1:
        host, port, malformed = place, "", False
    else:
        host, colon, port = place.partition(":")
        malformed = bool(colon) and not port
    number = int(port) if port.isascii() and port.isdigit() else 0
    usable = host and not host.startswith("-") and not any(letter.isspace() or letter in "/@" for letter in host + user)
    if malformed or not usable or (port and not 0 < number < 65536) or (text.startswith("@")):
        msg = f"{where}'{text}' is not a box's address"
        raise ConfigError(msg, "it is [user@]host[:port], for example root@192.168.1.10:22.")
    return Address(host, user, number)
