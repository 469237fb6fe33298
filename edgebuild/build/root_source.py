"""A root that lies on this machine as a source of files: a folder, or the layers of an image. See RootSource."""

from __future__ import annotations

import fnmatch
import posixpath
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from edgebuild.digest import sha256_file
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.model.rootfile import RootFile

_READ_BYTES = 1 << 20
_MAX_LINKS = 40  # as Linux: ELOOP
_WHITEOUT = ".wh."  # OCI image specification, "Whiteouts"
_OPAQUE = ".wh..wh..opq"

Found = RootFile | Literal["folder"] | None


class _Root:
    """Listing, given what stands at a path and what a folder holds."""

    def look(self, path: str) -> Found:
        raise NotImplementedError

    def names_in(self, folder: str) -> Sequence[str]:
        raise NotImplementedError

    def find(self, places: Sequence[str], names: Sequence[str] = ()) -> list[RootFile]:
        found: dict[str, RootFile] = {}
        for place in places:
            links, real = walk(place, self.look)
            below = [] if real is None else [each for each in self._below(real) if _matches(each.path, names)]
            found |= {each.path: each for each in (*links, *below)}
        return list(found.values())

    def _below(self, path: str) -> Iterator[RootFile]:
        match self.look(path):
            case RootFile() as file:
                yield file
            case "folder":
                for name in self.names_in(path):
                    yield from self._below(f"{path}/{name}" if path else name)


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


class FolderRoot(_Root):
    """A root folder on this machine: a mounted disk, an NFS root, a sysroot."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def title(self) -> str:
        return str(self._folder)

    def look(self, path: str) -> Found:
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

    def names_in(self, folder: str) -> Sequence[str]:
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


class LayersRoot(_Root):
    """A root out of tar layers, lowest first, of which nothing is unpacked: no member can leave any folder."""

    def __init__(self, title: str, layers: Sequence[Path]) -> None:
        self.title = title
        self._archives: list[tarfile.TarFile] = []
        self._entries: dict[str, tuple[RootFile, tarfile.TarFile, tarfile.TarInfo]] = {}
        self._folders: dict[str, dict[str, None]] = {"": {}}
        try:
            for layer in layers:
                self._add(tarfile.open(layer))  # noqa: SIM115  # read from as long as this lives
        except (tarfile.TarError, EOFError, ValueError, OSError) as err:
            msg = f"{title}: damaged layer ({err})"
            raise VerificationError(msg, "fetch or save the image again.") from err
        for path in self._entries:
            self._note_folder(path)

    def _add(self, archive: tarfile.TarFile) -> None:
        self._archives.append(archive)
        members = list(archive)
        folders = {parent for path in self._entries for parent in _parents(path)}
        for member in members:
            folder, _, name = _plain(member.name).rpartition("/")
            if name == _OPAQUE:
                self._remove(f"{folder}/" if folder else "")
            elif name.startswith(_WHITEOUT):
                gone = posixpath.join(folder, name.removeprefix(_WHITEOUT))
                self._entries.pop(gone, None)
                self._remove(f"{gone}/")
        for member in members:
            path = _plain(member.name)
            if not path or path.rpartition("/")[2].startswith(_WHITEOUT):
                continue
            if member.isdir():
                self._entries.pop(path, None)
                continue
            if path in folders:
                self._remove(f"{path}/")
            if member.issym():
                self._entries[path] = (RootFile(path, link=member.linkname), archive, member)
            elif member.isreg():
                self._entries[path] = (RootFile(path, member.size, bool(member.mode & 0o100)), archive, member)
            elif member.islnk() and (first := self._entries.get(_plain(member.linkname))):
                file = first[0]
                self._entries[path] = (RootFile(path, file.size_bytes, file.executable, file.link), *first[1:])

    def _remove(self, prefix: str) -> None:
        for path in [path for path in self._entries if path.startswith(prefix)]:
            del self._entries[path]

    def _note_folder(self, path: str) -> None:
        for each in (path, *_parents(path)):
            folder, _, name = each.rpartition("/")
            self._folders.setdefault(folder, {})[name] = None

    def look(self, path: str) -> Found:
        entry = self._entries.get(path)
        return entry[0] if entry else "folder" if path in self._folders else None

    def names_in(self, folder: str) -> Sequence[str]:
        return tuple(self._folders.get(folder, ()))

    def digests(self, paths: Sequence[str]) -> Mapping[str, str]:
        """Nothing: reading a compressed layer twice costs more than receiving a file that is there already."""
        return {}

    def send(self, paths: Sequence[str], feed: Callable[[bytes], None]) -> None:
        for path in paths:
            _, archive, member = self._entries[path]
            content = archive.extractfile(member)
            assert content is not None
            while chunk := content.read(_READ_BYTES):
                feed(chunk)


def _parents(path: str) -> Iterator[str]:
    """ "usr/lib/x" -> "usr/lib", "usr"."""
    while path := path.rpartition("/")[0]:
        yield path


def _plain(name: str) -> str:
    """ "./usr//lib/" -> "usr/lib"; nothing leads above the root."""
    return posixpath.normpath(f"/{name}").lstrip("/")
