"""A root that lies on this machine as a folder as a source of files: see RootSource."""

from __future__ import annotations

import fnmatch
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from edgebuild.digest import sha256_file
from edgebuild.errors import NotAvailable
from edgebuild.model.rootfile import RootFile

_READ_BYTES = 1 << 20
_MAX_LINKS = 40  # as Linux: ELOOP

Found = RootFile | Literal["folder"] | None


class FolderRoot:
    """A mounted disk, an NFS root, an unpacked image. title: what to call it, if not by its path."""

    def __init__(self, folder: Path, title: str = "") -> None:
        self._folder = folder
        self.title = title or str(folder)

    def find(self, places: Sequence[str], names: Sequence[str] = ()) -> list[RootFile]:
        found: dict[str, RootFile] = {}
        for place in places:
            links, real = walk(place, self._look)
            below = [] if real is None else [each for each in self._below(real) if _matches(each.path, names)]
            found |= {each.path: each for each in (*links, *below)}
        return list(found.values())

    def _below(self, path: str) -> Iterator[RootFile]:
        match self._look(path):
            case RootFile() as file:
                yield file
            case "folder":
                for name in self._names_in(path):
                    yield from self._below(f"{path}/{name}" if path else name)

    def _look(self, path: str) -> Found:
        place = self._folder / path
        try:
            info = place.lstat()
        except OSError:
            return None
        if stat.S_ISLNK(info.st_mode):
            return RootFile(path, link=str(place.readlink()))
        if stat.S_ISDIR(info.st_mode):
            return "folder"
        if stat.S_ISREG(info.st_mode):
            return RootFile(path, info.st_size, bool(info.st_mode & 0o100))
        return None

    def _names_in(self, folder: str) -> Sequence[str]:
        try:
            return [each.name for each in (self._folder / folder).iterdir()]
        except OSError:
            return ()

    def digests(self, paths: Sequence[str]) -> Mapping[str, str]:
        found = {}
        for path in paths:
            try:
                found[path] = sha256_file(self._folder / path)
            except OSError:  # unreadable or gone: the caller says so of what it has no digest of
                continue
        return found

    def send(self, paths: Sequence[str], feed: Callable[[bytes], None]) -> None:
        for path in paths:
            try:
                with (self._folder / path).open("rb") as file:
                    while chunk := file.read(_READ_BYTES):
                        feed(chunk)
            except OSError as err:
                msg = f"{self._folder / path}: cannot be read ({err.strerror})"
                raise NotAvailable(msg) from err


def walk(place: str, look: Callable[[str], Found]) -> tuple[list[RootFile], str | None]:
    """The symlinks on the way to a place and where it really is, as the root's own kernel would go; None: nowhere."""
    links: list[RootFile] = []
    rest, real = place.split("/"), ""
    while rest:
        name = rest.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            real = posixpath.dirname(real)
            continue
        path = f"{real}/{name}" if real else name
        found = look(path)
        if isinstance(found, RootFile) and found.link:
            if len(links) == _MAX_LINKS:
                return links, None
            links.append(found)
            real = "" if found.link.startswith("/") else real
            rest = [*found.link.split("/"), *rest]
        elif found is None or (rest and found != "folder"):
            return links, None
        else:
            real = path
    return links, real


def _matches(path: str, names: Sequence[str]) -> bool:
    return not names or any(fnmatch.fnmatchcase(path.rpartition("/")[2], name) for name in names)
