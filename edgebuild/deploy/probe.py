"""What is this box, and what lies there? One round trip that changes nothing."""

from __future__ import annotations

import msgspec

from edgebuild.deploy.program import Home, failure, probe_command, program, read_answer
from edgebuild.deploy.transport import ConnectionLost, Transport
from edgebuild.errors import BoxError, BoxPending
from edgebuild.model.box import BoxState

_PROBE_TIMEOUT_S = 60.0  # a loaded box starts a few dozen small programs for it
_FIELDS = {field.name: field for field in msgspec.structs.fields(BoxState)}
_FREE = "home_free_kb"
_YES_NO = {"yes": True, "no": False}


def probe(transport: Transport, home: Home) -> BoxState:
    """Raises BoxError, BoxPending."""
    try:
        reply = transport.call(probe_command(home), stdin=program(), timeout_s=_PROBE_TIMEOUT_S)
    except ConnectionLost as err:  # in the middle of nothing
        raise BoxPending(err.message, "it was asked, nothing more; it is off by now, or its link is bad.") from err
    answer = read_answer(reply, transport.address)
    if reply.code != 0:
        raise failure(reply, transport.address)
    return parse_state(answer, transport.address)


def parse_state(answer: dict[str, str], address: str) -> BoxState:
    """Strict: the program that answers is the one we sent, so every key is one of ours. Raises BoxError."""
    try:
        values = {key: _value(key, text) for key, text in answer.items() if key != _FREE}
        # A shell's numbers may have 32 bits, so space is told in kB.
        return msgspec.convert({"free_bytes": int(answer.get(_FREE) or "0") * 1024, **values}, BoxState)
    except (ValueError, KeyError) as err:
        msg = f"{address}: the probe's answer makes no sense: {err}"
        raise BoxError(msg, "a box that lacks basic tools answers like that.") from err


def _value(key: str, text: str) -> str | int | bool | tuple[str, ...]:
    if key not in _FIELDS:
        msg = f"unknown key '{key}'"
        raise ValueError(msg)
    kind = _FIELDS[key].type
    if kind is bool:
        return _YES_NO[text]
    if kind is int:
        return int(text or "0")
    return tuple(text.split()) if kind == tuple[str, ...] else text
