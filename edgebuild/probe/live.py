"""A live box as a source: one program that looks, one that sends files, each in one call over one channel."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from edgebuild.errors import BoxError
from edgebuild.model.probe_rule import ProbeRules
from edgebuild.probe.questions import render_fetch, render_questions
from edgebuild.probe.view import Entry, Fetched, View
from edgebuild.workspace import Workspace

MARKER = "@edgebuild"
# The shell has the whole program before it begins, so nothing that it starts can eat a part of it.
_COMMAND = f"""echo {MARKER}; exec sh -c 'eval "$(cat)"'"""
_PATIENCE_S = 120.0  # in which nothing at all comes: a slow box lists thousands of files before its first line
_MAX_HEADER_BYTES = 8192
_MAX_ANSWER_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
_MAX_NOISE_BYTES = 1 << 20  # what a login may print before it runs our command
# mode, links, owner, group, size, date (of busybox and GNU in the C locale, or of toybox), name
_LS = re.compile(
    r"(?P<kind>[-l])(?P<mode>[-rwxsStT]{9})\S*\s+\d+\s+\S+\s+\S+\s+(?P<size>\d+)\s+"
    r"(?:[A-Z][a-z]{2}\s+\d+\s+[\d:]+|\d{4}-\d\d-\d\d\s+\d\d:\d\d\S*(?:\s+[+-]\d{4})?)\s(?P<name>.+)"
)


class Reply(Protocol):
    @property
    def code(self) -> int: ...
    @property
    def stderr(self) -> str: ...


class Call(Protocol):
    """Runs a command on the box, its stdout into `sink`: SshTransport.call, or a test's shell."""

    def __call__(
        self, command: str, *, stdin: bytes, timeout_s: float, sink: Callable[[bytes], object] | None
    ) -> Reply: ...


class LiveBox:
    """place: its address, for messages."""

    word = "probe"

    def __init__(self, call: Call, place: str, ws: Workspace) -> None:
        self._call = call
        self.place = place
        self._ws = ws

    def look(self, rules: ProbeRules) -> View:
        """Raises BoxError, ConnectionLost."""
        heard = bytearray()
        take = self._bounded(heard.extend, _MAX_ANSWER_BYTES)
        reply = self._call(_COMMAND, stdin=render_questions(rules), timeout_s=_PATIENCE_S, sink=take)
        _, marker, answer = bytes(heard).partition(f"{MARKER}\n".encode())
        if not marker:
            raise self._no_shell(bytes(heard), reply)
        return parse_answer(answer.decode("utf-8", "replace"), self.place)

    def fetch(self, patterns: Iterable[str], room_bytes: int, take: Callable[[Fetched], None]) -> dict[str, int]:
        """Raises BoxError, ConnectionLost."""
        with self._ws.scratch("probe") as scratch:
            stream = scratch / "stream"
            with stream.open("wb") as file:
                program = render_fetch(patterns, room_bytes)
                write = self._bounded(file.write, room_bytes + _MAX_ANSWER_BYTES)
                reply = self._call(_COMMAND, stdin=program, timeout_s=_PATIENCE_S, sink=write)
            with stream.open("rb") as file:
                if not _skip_to_marker(file):
                    raise self._no_shell(b"", reply)
                return self._unframe(file, scratch / "file", take)

    def _unframe(self, file: BinaryIO, place: Path, take: Callable[[Fetched], None]) -> dict[str, int]:
        left: dict[str, int] = {}
        while True:
            header = file.readline(_MAX_HEADER_BYTES)
            match = re.fullmatch(rb"(file|left|complete)=(\d+) (.+)\n", header)
            if not match:
                msg = f"{self.place}: its files did not come whole"
                raise BoxError(msg, "one of them changed while it was read, or the box's shell was ended; try again.")
            kind, size_bytes, path = match[1].decode(), int(match[2]), match[3].decode("utf-8", "replace")
            if kind == "complete":
                return left
            if kind == "left":
                left[path] = size_bytes
                continue
            if _copy(file, place, size_bytes):  # or the stream has ended; the next header says so
                take(Fetched(path, place))
            place.unlink()

    def _bounded(self, take: Callable[[bytes], object], limit_bytes: int) -> Callable[[bytes], None]:
        """A box that sends without end must not fill this machine."""
        room_bytes = limit_bytes

        def bounded(chunk: bytes) -> None:
            nonlocal room_bytes
            room_bytes -= len(chunk)
            if room_bytes < 0:
                msg = f"{self.place}: sent more than it was asked for"
                raise BoxError(msg, "what answers there is no shell of a box.")
            take(chunk)

        return bounded

    def _no_shell(self, heard: bytes, reply: Reply) -> BoxError:
        seen = " ".join((heard.decode("utf-8", "replace") + reply.stderr).split())[:200]
        msg = f"{self.place}: no POSIX shell answered there" + (f", but: {seen}" if seen else "")
        return BoxError(msg, "the login needs sh as its shell; a vendor's command line has to be left first.")


def _copy(file: BinaryIO, place: Path, size_bytes: int) -> bool:
    """False when there is less."""
    with place.open("wb") as copy:
        while size_bytes and (chunk := file.read(min(size_bytes, _CHUNK_BYTES))):
            copy.write(chunk)
            size_bytes -= len(chunk)
    return size_bytes == 0


def _skip_to_marker(file: BinaryIO) -> bool:
    start = file.read(_MAX_NOISE_BYTES)
    place = start.find(f"{MARKER}\n".encode())
    file.seek(place + len(MARKER) + 1)
    return place >= 0


def parse_answer(answer: str, address: str) -> View:
    """Of facts.sh. Lines that are none of its own are passed over: what a login prints is not ours to judge.

    Raises BoxError when the end is missing.
    """
    view = View()
    followed: dict[str, dict[str, Entry]] = defaultdict(dict)
    folder = real = ""
    lines: list[str] = []  # of the text or output that was named last
    texts: dict[str, list[str]] = {}
    outputs: dict[str, list[str]] = {}
    for line in answer.split("\n"):
        key, _, value = line.partition("=")
        match key:
            case "folder":
                folder = value
            case "real":
                real = view.real[folder] = value
                view.entries.setdefault(real, {})
            case "entry":
                view.entries[real].update(_parse_ls(value))
            case "followed":
                followed[real].update(_parse_ls(value))
            case "text":
                lines = texts[value] = []
            case "output":
                lines = outputs[value] = []
            case "line":
                lines.append(value)
            case "package":
                name, _, version = value.partition(" ")
                view.packages[name] = version
            case "free":
                view.free_kb.update(_parse_df(value))
            case "machine" | "kernel" | "page_size" | "loader_cache" | "user" | "complete":
                view.facts[key] = value
    if "complete" not in view.facts:
        msg = f"{address}: its answer broke off"
        raise BoxError(msg, "a box that lacks basic tools (ls, dd, cat), or ends long commands, answers like that.")
    view.texts = {path: "\n".join(each) for path, each in texts.items()}
    view.outputs = {name: "\n".join(each) for name, each in outputs.items()}
    for place, entries in view.entries.items():
        view.entries[place] = _joined(entries, followed[place])
    return view


def _parse_ls(line: str) -> dict[str, Entry]:
    """One file or link by name; nothing for anything else."""
    match = _LS.fullmatch(line)
    if not match:
        return {}
    name, arrow, target = match["name"].partition(" -> ")
    if bool(arrow) != (match["kind"] == "l"):
        return {}
    is_executable = any(letter in "xs" for letter in match["mode"][2::3])
    return {name: Entry(int(match["size"]), is_executable, target)}


def _parse_df(line: str) -> dict[str, int]:
    """ "/data /dev/mmcblk0p2 1000 600 400 60% /data": what is available there, in kB."""
    path, *rest = line.split()
    return {path: int(rest[-3])} if len(rest) >= 6 and rest[-3].isdigit() else {}


def _joined(entries: dict[str, Entry], followed: dict[str, Entry]) -> dict[str, Entry]:
    """Files and links to files: what is behind each, and where the link leads."""
    return {
        name: Entry(followed[name].size_bytes, followed[name].executable, entry.target)
        for name, entry in entries.items()
        if name in followed
    }
