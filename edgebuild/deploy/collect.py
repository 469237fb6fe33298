"""A live box's root as a source of files, over SSH without SFTP: see RootSource and collect.sh."""

from __future__ import annotations

import re
import shlex
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from edgebuild.deploy.program import MARKER
from edgebuild.deploy.transport import ConnectionLost, Reply, Transport
from edgebuild.errors import BoxError
from edgebuild.model.rootfile import RootFile

_SILENCE_S = 300.0  # a slow box reads its whole disk before it says a word
_AGAIN = "run it again: what has come is kept, and only the rest is sent."
_GZIP = 16 + zlib.MAX_WBITS
# GNU's and busybox's date is "Nov 25 13:25" or "Nov 25  2026", toybox's "2026-11-25 13:25".
_LINE = re.compile(
    r"(?P<mode>[-l][-rwxsStT]{9})\S*\s+\d+\s+\d+\s+\d+\s+(?P<size>\d+)\s+"
    r"(?:\w{3}\s+\d+\s+[\d:]+|\d{4}-\d\d-\d\d \d\d:\d\d) \./(?P<path>.+)"
)
_DIGEST = re.compile(r"(?P<sha256>[0-9a-f]{64})  \./(?P<path>.+)")


@cache
def collect_script() -> bytes:
    return Path(__file__).with_name("collect.sh").read_bytes()


def collect_command(verb: str, root: str, *arguments: str) -> str:
    """The script comes on stdin before the paths: some SSH servers take short commands only.

    dd with bs=1 takes the script's bytes and not one of what follows, which no shell's own reading promises.
    """
    take = f'eval "$(dd bs=1 count={len(collect_script())} 2>/dev/null)"'
    return f"echo {MARKER}; exec sh -c {shlex.quote(take)} {shlex.join(['collect', verb, root, *arguments])}"


class BoxRoot:
    """packed: compress what is sent, where the box has gzip."""

    def __init__(self, transport: Transport, *, root: str = "/", packed: bool = True) -> None:
        self._transport = transport
        self._root = root
        self._packed = packed

    @property
    def title(self) -> str:
        return self._transport.address

    def find(self, places: Sequence[str], names: Sequence[str] = ()) -> list[RootFile]:
        return list(parse_listing(self._ask("list", names, places)).values()) if places else []

    def digests(self, paths: Sequence[str]) -> Mapping[str, str]:
        found = (_DIGEST.fullmatch(line) for line in self._ask("digest", (), paths)) if paths else ()
        return {match["path"]: match["sha256"] for match in found if match}

    def send(self, paths: Sequence[str], feed: Callable[[bytes], None]) -> None:
        stream = _Stream(feed)
        try:
            reply = self._call("send", ("packed" if self._packed else "plain",), paths, stream.take)
            stream.finish()
        except ConnectionLost as err:
            raise ConnectionLost(err.message, _AGAIN) from err
        except zlib.error as err:
            msg = f"{self.title}: what it sent is damaged ({err})"
            raise BoxError(msg, _AGAIN) from err
        if not stream.began:
            raise self._no_answer(reply, b"")

    def _ask(self, verb: str, arguments: Sequence[str], paths: Sequence[str]) -> list[str]:
        answer = bytearray()
        reply = self._call(verb, arguments, paths, answer.extend)
        _, marker, rest = answer.partition(f"{MARKER}\n".encode())
        # A name that is no UTF-8 stands in no sysroot.
        lines = rest.decode("utf-8", errors="replace").split("\n")
        if not marker or lines[-2:] not in (["@end", ""], ["@none", ""]):
            raise self._no_answer(reply, answer)
        return lines[:-2]

    def _call(
        self, verb: str, arguments: Sequence[str], paths: Sequence[str], sink: Callable[[bytes], object]
    ) -> Reply:
        lines = "".join(f"./{path}\n" for path in paths if is_listable(path)).encode()
        command = collect_command(verb, self._root, *arguments)
        return self._transport.call(command, stdin=collect_script() + lines, timeout_s=_SILENCE_S, sink=sink)

    def _no_answer(self, reply: Reply, answer: bytes | bytearray) -> BoxError:
        seen = " ".join((reply.stderr or answer.decode(errors="replace")).split())[-200:]
        msg = f"{self.title}: its files cannot be listed" + (f": {seen}" if seen else "")
        return BoxError(msg, "the login needs sh as its shell; the box needs find, sed, xargs, ls, cat, dd, readlink.")


def parse_listing(lines: Sequence[str]) -> dict[str, RootFile]:
    """`ls -ln` lines by path. Folders, devices and names that cannot stand in a list are left out."""
    found: dict[str, RootFile] = {}
    for line in lines:
        if not (match := _LINE.fullmatch(line)):
            continue
        path, _, target = match["path"].partition(" -> ")
        if not is_listable(path) or (match["mode"][0] == "l") != bool(target):
            continue
        if target:
            found[path] = RootFile(path, link=target)
        else:
            found[path] = RootFile(path, int(match["size"]), match["mode"][3] in "xs")
    return found


def is_listable(path: str) -> bool:
    """sha256sum and xargs read a backslash as an escape, and a list has a line per path."""
    return path.isprintable() and "\\" not in path and " -> " not in path and "\ufffd" not in path


class _Stream:
    """What `send` answers: the marker, "packed" or "plain", then bytes."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._head = bytearray()
        self._unpack: zlib._Decompress | None = None
        self.began = False

    def take(self, data: bytes) -> None:
        if not self.began:
            self._head += data
            _, marker, rest = self._head.partition(f"{MARKER}\n".encode())
            packing, newline, first = rest.partition(b"\n")
            data = bytes(first)
            if not marker or not newline:
                return
            self.began = True
            self._unpack = zlib.decompressobj(_GZIP) if packing == b"packed" else None
        if plain := self._unpack.decompress(data) if self._unpack else bytes(data):
            self._feed(plain)

    def finish(self) -> None:
        if self._unpack and (plain := self._unpack.flush()):
            self._feed(plain)
