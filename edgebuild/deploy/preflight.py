"""Could this box run this release? Pure, and asked before a byte is sent."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from edgebuild.model.box import BoxState
from edgebuild.model.project import Format
from edgebuild.model.release import Payload, Release, RowRelease

AUTO = "auto"
_RESERVE_BYTES = 32 << 20  # for logs, state and the next box program, so that a full disk never stops a switch


@dataclass(frozen=True)
class Refusal:
    reason: str
    hint: str = ""


def pick_row(release: Release, target: str, state: BoxState) -> RowRelease | Refusal:
    """The row that `target` names; for "auto" the only one for the box's machine."""
    if target != AUTO:
        if target in release.rows:
            return release.rows[target]
        return Refusal(f"{release.name} {release.version} holds nothing for '{target}'", _rows_hint(release))
    fitting = [row for row in release.rows.values() if row.machine == state.machine]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(row.target for row in fitting)
        return Refusal(f"target is auto, but several rows are for {state.machine}: {names}", "name one: --target ROW.")
    return Refusal(f"the box is {state.machine}, and no row of the release is", _rows_hint(release))


def pick_payload(row: RowRelease, wish: Format | str) -> Payload | Refusal:
    """wish "": the tarball where there is one, because it asks least of a box."""
    if wish:
        found = next((each for each in row.payloads if each.format == wish), None)
        there = ", ".join(each.format for each in row.payloads)
        return found or Refusal(f"row '{row.target}' has no {wish}", f"it has: {there}.")
    return min(row.payloads, key=lambda each: each.format != "tarball")


def preflight(row: RowRelease, payload: Payload, state: BoxState) -> tuple[Refusal, ...]:
    """Every reason why not; none: it may be sent."""
    checks = (
        _machine(row, state),
        _tools(state),
        _c_library(row, payload, state),
        _engine(payload, state),
        _service(state),
        _folder(state),
        _space(payload, state),
        _busy(state),
    )
    return tuple(refusal for refusal in checks if refusal)


def needed_bytes(payload: Payload, state: BoxState) -> int:
    """Free space that a deployment asks for: nothing more where the release lies there already."""
    if payload.id in state.releases:
        return 0
    return payload.size_bytes + payload.unpacked_bytes + _RESERVE_BYTES


def _machine(row: RowRelease, state: BoxState) -> Refusal | None:
    if row.machine == state.machine:
        return None
    return Refusal(
        f"row '{row.target}' is for {row.machine}, the box is {state.machine}", "--target auto picks the row by itself."
    )


def _tools(state: BoxState) -> Refusal | None:
    if not state.missing:
        return None
    return Refusal(f"the box lacks {', '.join(state.missing)}", "busybox has all that is needed.")


def _c_library(row: RowRelease, payload: Payload, state: BoxState) -> Refusal | None:
    """An image brings its own."""
    needed = row.needs.get("GLIBC", "")
    if payload.format == "image" or not needed:
        return None
    if not state.glibc:
        return Refusal(f"needs GLIBC_{needed}, and no glibc was found on the box", "an image brings its own.")
    try:
        enough = Version(state.glibc) >= Version(needed)
    except InvalidVersion:
        return Refusal(f"needs GLIBC_{needed}, and what the box says of its own makes no sense: {state.glibc}")
    if enough:
        return None
    return Refusal(
        f"needs GLIBC_{needed}, the box has {state.glibc}", "choose the row of an older box, or deploy an image."
    )


def _engine(payload: Payload, state: BoxState) -> Refusal | None:
    if payload.format != "image" or state.engine:
        return None
    return Refusal("the payload is an image, and the box has no container engine that answers", "--format tarball.")


def _service(state: BoxState) -> Refusal | None:
    if state.service != "none":
        return None
    return Refusal("the box has neither systemd nor /etc/init.d", "nothing could start the program after a power cut.")


def _folder(state: BoxState) -> Refusal | None:
    if state.writable:
        return None
    who = f" for {state.user}" if state.user else ""
    return Refusal(f"the folder on the box is not writable{who}", "log in as root, `become: sudo`, or --root FOLDER.")


def _space(payload: Payload, state: BoxState) -> Refusal | None:
    needed = needed_bytes(payload, state)
    if not needed or state.free_bytes >= needed:
        return None
    return Refusal(
        f"needs {needed / 1e6:.1f} MB of space, {state.free_bytes / 1e6:.1f} MB are free",
        "free some, or --root FOLDER on a larger file system.",
    )


def _busy(state: BoxState) -> Refusal | None:
    if not state.busy:
        return None
    return Refusal(f"another deployment is under way there ({state.busy})", "run it again in a moment.")


def _rows_hint(release: Release) -> str:
    return f"it has: {', '.join(f'{row.target} ({row.machine})' for row in release.rows.values())}."
