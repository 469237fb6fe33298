"""Files by their sha256, kept one by one as they arrive, so that a cut transfer goes on where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgebuild.errors import BoxError
from edgebuild.model.rootfile import RootFile, RootSource
from edgebuild.workspace import Workspace

_ROOM = "imports"


@dataclass(frozen=True)
class Fetched:
    """digests: sha256 by path. unreadable: paths that the source did not let be read. sent_bytes: what came anew."""

    digests: dict[str, str]
    unreadable: tuple[str, ...] = ()
    sent_bytes: int = 0


@dataclass(frozen=True)
class Wanted:
    """What a transfer would bring. known: sha256 by path, as the source has told."""

    files: tuple[RootFile, ...]
    known: dict[str, str]
    unreadable: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def held_file(digest: str, ws: Workspace) -> Path:
    return ws.cache / _ROOM / digest[:2] / digest


def find_wanted(source: RootSource, files: Sequence[RootFile], *, ws: Workspace) -> Wanted:
    """Which of these files have to be sent: each content once, and none that is here."""
    known = dict(source.digests([file.path for file in files]))
    unreadable = tuple(file.path for file in files if known and file.path not in known)
    wanted: dict[str, RootFile] = {}
    for file in files:
        digest = known.get(file.path, "")
        if file.path not in unreadable and not (digest and held_file(digest, ws).is_file()):
            wanted.setdefault(digest or file.path, file)
    return Wanted(tuple(wanted.values()), known, unreadable)


def fetch_files(source: RootSource, wanted: Wanted, *, ws: Workspace, told: Callable[[int, int, str], None]) -> Fetched:
    """Every file's content in the store. told: bytes so far, of how many, "B".

    Raises what the source raises; whatever has come whole until then is kept.
    """
    digests = dict(wanted.known)
    with ws.scratch("import") as scratch:
        inbox = _Inbox(wanted, scratch / "part", source.title, told, ws)
        try:
            if wanted.files:
                source.send([file.path for file in wanted.files], inbox.feed)
            digests |= inbox.finish()
        finally:
            inbox.close()
    return Fetched(digests, wanted.unreadable, wanted.size_bytes)


class _Inbox:
    """Cuts one stream into files by the sizes that were listed, and keeps each under its digest."""

    def __init__(
        self, wanted: Wanted, part: Path, title: str, told: Callable[[int, int, str], None], ws: Workspace
    ) -> None:
        self._waiting = list(reversed(wanted.files))
        self._known: Mapping[str, str] = wanted.known
        self._part, self._title, self._told, self._ws = part, title, told, ws
        self._total_bytes, self._done_bytes = wanted.size_bytes, 0
        self._digests: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        self._left_bytes = 0
        self._sha = hashlib.sha256()
        self._skip_empty()

    def feed(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if self._file is None:
                if not self._waiting:
                    raise self._changed("something grew")
                self._file = self._part.open("wb")
                self._left_bytes = self._waiting[-1].size_bytes
                self._sha = hashlib.sha256()
            piece, rest = rest[: self._left_bytes], rest[self._left_bytes :]
            self._file.write(piece)
            self._sha.update(piece)
            self._left_bytes -= len(piece)
            self._done_bytes += len(piece)
            if not self._left_bytes:
                self._keep()
                self._skip_empty()
        self._told(self._done_bytes, self._total_bytes, "B")

    def finish(self) -> dict[str, str]:
        """sha256 by path of all that came. Raises BoxError where something is missing."""
        if self._file or self._waiting:
            raise self._changed(f"{self._waiting[-1].path} became shorter or went away")
        return self._digests

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _keep(self) -> None:
        assert self._file
        self._file.close()
        self._file = None
        file, digest = self._waiting.pop(), self._sha.hexdigest()
        if self._known.get(file.path, digest) != digest:
            raise self._changed(file.path)
        place = held_file(digest, self._ws)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._part.replace(place)
        self._digests[file.path] = digest

    def _skip_empty(self) -> None:
        """An empty file takes no byte of the stream."""
        while self._waiting and not self._waiting[-1].size_bytes:
            self._file = self._part.open("wb")
            self._sha = hashlib.sha256()
            self._keep()

    def _changed(self, what: str) -> BoxError:
        msg = f"{self._title}: changed while it was read ({what})"
        return BoxError(msg, "run it again: what has come is kept.")
