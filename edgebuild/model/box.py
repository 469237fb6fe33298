"""Boxes: where they are, what a probe found there, what came of a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from edgebuild.errors import ConfigError
from edgebuild.model.project import Format
from edgebuild.model.recipe import Record

Outcome = Literal["unchanged", "updated", "rolled_back", "failed", "skipped", "pending"]
Service = Literal["systemd", "init", "none"]
Become = Literal["", "sudo"]


@dataclass(frozen=True)
class Address:
    """ "[user@]host[:port]". "" and 0: what ~/.ssh/config says, else the usual."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"


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
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    usable = (
        _is_name(host)
        and not host.startswith("-")
        and not any(letter.isspace() or letter in "/@" for letter in host + user)
    )
    if malformed or not usable or (port and not 0 < number < 65536) or (text.startswith("@")):
        msg = f"{where}'{text}' is not a box's address"
        raise ConfigError(msg, "it is [user@]host[:port], for example root@192.168.1.10:22.")
    return Address(host, user, number)


def _is_name(host: str) -> bool:
    """As far as sockets take it: they make IDNA of it, and raise UnicodeError for "a..b" and endless labels."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


class BoxSpec(Record, frozen=True):
    """One box as fleet.yaml names it. address: "[user@]host[:port]". "" means: what `defaults` says.

    become: "sudo" where the login is not root; it may not ask for a password.
    """

    id: str
    address: str
    target: str = ""  # row or alias; "auto": the row whose machine the probe finds
    format: Format | Literal[""] = ""
    key: str = ""  # private key file
    via: str = ""  # jump host, "[user@]host[:port]"
    root: str = ""  # folder on the box
    become: Become = ""


class FleetDefaults(Record, frozen=True):
    target: str = "auto"
    user: str = ""  # "": what ~/.ssh/config says, else root
    key: str = ""
    via: str = ""
    root: str = "/var/lib/edgebuild"
    become: Become = ""


class Rollout(Record, frozen=True):
    """canary: how many boxes go first, one after another; any that is not well stops the rollout."""

    canary: int = 1
    parallel: int = 8


class Fleet(Record, frozen=True):
    """fleet.yaml. release: folder with release.json, or NAME-VERSION below out/releases."""

    release: str
    boxes: tuple[BoxSpec, ...]
    defaults: FleetDefaults = FleetDefaults()
    rollout: Rollout = Rollout()


class BoxState(msgspec.Struct, frozen=True, kw_only=True):
    """What one read-only round trip found. "" or 0: not there or not known.

    glibc: "2.31". engine: "docker 20.10.24". missing: tools of the box program that the box lacks.
    current, previous, trial: release ids; a trial is a switch that was never confirmed.
    running: whether the supervised program is alive. tool: sha256 of the box program that lies there.
    """

    machine: str
    kernel: str = ""
    glibc: str = ""
    user: str = ""
    free_bytes: int = 0
    writable: bool = False
    missing: tuple[str, ...] = ()
    service: Service = "none"
    engine: str = ""
    boot_id: str = ""
    uptime_s: int = 0
    clock_unix_s: int = 0
    tool: str = ""
    current: str = ""
    previous: str = ""
    trial: str = ""
    releases: tuple[str, ...] = ()
    running: bool = False
    health: str = ""  # last line of the last health check
    busy: str = ""  # who holds the box's lock


class BoxResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one box. bytes_sent: over the wire, before encryption."""

    box: str
    outcome: Outcome
    target: str = ""
    before: str = ""
    after: str = ""
    bytes_sent: int = 0
    seconds: float = 0.0
    health: str = ""
    error: str = ""
    hint: str = ""
    exit_code: int = 0
