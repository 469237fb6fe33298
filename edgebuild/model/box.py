"""Boxes: where they are, what a probe found there, what came of a deployment."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgebuild.model.project import Format
from edgebuild.model.recipe import Record

Outcome = Literal["unchanged", "updated", "rolled_back", "failed", "skipped", "pending"]
Service = Literal["systemd", "init", "none"]


class BoxSpec(Record, frozen=True):
    """One box as fleet.yaml names it. address: "[user@]host[:port]". "" means: what `defaults` says."""

    id: str
    address: str
    target: str = ""  # row or alias; "auto": the row whose machine the probe finds
    format: Format | Literal[""] = ""
    key: str = ""  # private key file
    via: str = ""  # jump host, "[user@]host[:port]"
    root: str = ""  # folder on the box


class FleetDefaults(Record, frozen=True):
    target: str = "auto"
    user: str = "root"
    key: str = ""
    via: str = ""
    root: str = "/var/lib/edgebuild"
    become: Literal["", "sudo"] = ""


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


