"""A file or folder of a box, brought here to be audited: one call over SSH that changes nothing there."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgebuild.commands.fleet import Wish
from edgebuild.deploy.ssh import connect
from edgebuild.deploy.transport import Transport
from edgebuild.errors import BoxError
from edgebuild.workspace import Workspace

# USER@ is asked for, so that no file name and no docker:IMAGE is taken for a box.
_PLACE = re.compile(r"^(?P<box>[^/@]+@[^/]+?):(?P<path>/.*)$")
_MAX_BYTES = 8 << 30
_FETCH_TIMEOUT_S = 120.0
# The first line says what follows. tar is run in the folder, because busybox's has no -C before 1.0.
_FETCH = (
    'p={path}; if test -d "$p"; then echo folder; cd "$p" && exec tar -cf - .; '
    'elif test -f "$p"; then echo file; exec cat "$p"; else echo nothing; fi'
)


def is_on_box(what: str) -> bool:
    """A file of that name on this machine is meant first."""
    return _PLACE.match(what) is not None and not Path(what).exists()


@contextlib.contextmanager
def fetched_from_box(what: str, wish: Wish, ws: Workspace) -> Iterator[Path]:
    """The file under its own name, or the folder as NAME.tar; gone afterwards. Raises BoxError, BoxPending, ..."""
    match = _PLACE.match(what)
    assert match, what
    asked = replace(wish, boxes=match["box"])
    name = PurePosixPath(match["path"]).name or "root"
    with ws.scratch("box") as scratch:
        step = ws.log.step(f"Fetching {match['path']} from {match['box']}")
        with step, contextlib.closing(connect(asked.login(asked.box()))) as transport:
            path = fetch_path(transport, match["path"], scratch / name)
        yield path


def fetch_path(transport: Transport, source: str, destination: Path) -> Path:
    """Where it is now: `destination`, with ".tar" behind it for a folder. Raises BoxError."""
    with destination.open("wb") as file:
        receiver = _Receiver(file)
        reply = transport.call(_FETCH.format(path=shlex.quote(source)), timeout_s=_FETCH_TIMEOUT_S, sink=receiver.take)
    if receiver.kind not in ("file", "folder"):
        msg = f"{transport.address}: {source}: no such file or folder"
        raise BoxError(msg, reply.stderr.strip())
    if reply.code != 0:
        msg = f"{transport.address}: {source}: cannot be read whole"
        raise BoxError(msg, reply.stderr.strip().splitlines()[-1] if reply.stderr.strip() else "")
    return (
        destination.rename(destination.with_name(f"{destination.name}.tar"))
        if receiver.kind == "folder"
        else destination
    )


@dataclass
class _Receiver:
    """Splits the first line off what the box sends. kind: "" until it has come."""

    file: BinaryIO
    kind: str = ""
    _begun: bytearray = field(default_factory=bytearray)
    _received: int = 0

    def take(self, data: bytes) -> None:
        if not self.kind:
            self._begun += data
            line, newline, data = bytes(self._begun).partition(b"\n")
            if not newline:
                return
            self.kind = line.decode("ascii", "replace") or "?"
        self._received += len(data)
        if self._received > _MAX_BYTES:
            msg = f"the box sent more than {_MAX_BYTES >> 30} GiB"
            raise BoxError(msg, "name a smaller folder.")
        self.file.write(data)
