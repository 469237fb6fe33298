"""Files, folders and links put below one folder, and nowhere else, whatever their names and links say."""

from __future__ import annotations

import os
import posixpath
import shutil
from pathlib import Path

from edgebuild.errors import VerificationError
from edgebuild.packed import Readable

_CHUNK_BYTES = 1 << 18
# What file systems take (NAME_MAX), and deeper than anybody means it: several tools walk folders by recursion.
_MAX_PART_BYTES = 255
_MAX_PATH_BYTES = 1024
_MAX_DEPTH = 100


def printable(text: str) -> str:
    """A name out of an archive as a terminal may see it: what controls one, or is no UTF-8, is replaced."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)


class Below:
    """Names are relative, with "/". archive: what is unpacked, for messages. Every method raises VerificationError for
    what would leave the folder, ValueError or OSError for what cannot be.

    absolute: gets name -> target of every link that names a place from the root on.
    """

    def __init__(self, root: Path, archive: str, absolute: dict[str, str] | None = None) -> None:
        self._base = os.path.realpath(root)
        self._archive = archive
        self._absolute = absolute if absolute is not None else {}
        self._real: dict[str, str] = {}  # folder of a member -> where it really is; forgotten when a link appears

    def place(self, name: str) -> Path:
        """Where a member goes, its parents made and real."""
        parts = name.split("/")
        if not all(parts) or ".." in parts or "." in parts:
            raise self._escape(name)
        if len(parts) > _MAX_DEPTH or len(os.fsencode(name)) > _MAX_PATH_BYTES:
            raise ValueError(f"a name of {len(parts)} parts and {len(name)} letters: {printable(name[:80])}...")
        if max(len(os.fsencode(part)) for part in parts) > _MAX_PART_BYTES:
            raise ValueError(f"a name longer than file systems take: {printable(name[:80])}...")
        folder, _, last = name.rpartition("/")
        if folder not in self._real:
            real = os.path.realpath(posixpath.join(self._base, folder))
            if real != self._base and not real.startswith(self._base + os.sep):
                raise self._escape(name)
            os.makedirs(real, exist_ok=True)  # noqa: PTH103 - Path.mkdir is slower, and this is the hot path
            self._real[folder] = real
        return Path(self._real[folder], last)

    def make_folder(self, name: str) -> None:
        """A link to a folder stays a link: replacing lib -> usr/lib would split a root in two."""
        place = self.place(name)
        if not place.is_dir():
            place.mkdir()

    def write(self, name: str, content: Readable, mode: int) -> None:
        """The x-bit stays, nothing else of the mode does."""
        place = self.place(name)
        try:
            file = place.open("xb")
        except FileExistsError:  # also for a link: what it leads to stays as it is
            place.unlink()
            file = place.open("xb")
        with file:
            while piece := content.read(_CHUNK_BYTES):
                file.write(piece)
            os.fchmod(file.fileno(), 0o755 if mode & 0o100 else 0o644)

    def hard_link(self, name: str, target: str) -> None:
        """target: a member that came earlier. Nothing is made when that one was left out."""
        place = self.place(name)
        if target and (source := self.place(target)).is_file() and source != place:
            place.unlink(missing_ok=True)
            os.link(source, place, follow_symlinks=False)

    def link(self, name: str, target: str, *, clamped: bool = False) -> None:
        """A relative link, so that it leads inside. clamped: ".." stops at the root, as in a root it does."""
        place = self.place(name)
        if not target:
            raise ValueError(f"the link '{printable(name)}' has no target")
        inside = place.parent.relative_to(self._base).as_posix()
        meant = posixpath.normpath(posixpath.join(self._base, inside, target))
        if target.startswith("/"):
            self._absolute[name] = target
            kept = posixpath.normpath(f"/{target.lstrip('/')}").lstrip("/")
            target = posixpath.relpath(posixpath.join(self._base, kept), place.parent)
        elif not meant.startswith(self._base + os.sep) and meant != self._base:
            if not clamped:
                raise self._escape(f"{name} -> {target}")
            kept = posixpath.normpath(posixpath.join("/", inside, target)).lstrip("/")
            target = posixpath.relpath(posixpath.join(self._base, kept), place.parent)
        if place.is_dir() and not place.is_symlink():
            return  # an empty folder of a package that came earlier holds the place already
        place.unlink(missing_ok=True)
        place.symlink_to(target)
        self._real.clear()

    def remove(self, name: str, *, but: frozenset[str] | set[str] = frozenset()) -> None:
        """A file, link or whole folder, if it is there. but: names that stay, with the folders above them."""
        if name in but:
            self.empty(name, but=but)
            return
        place = self.place(name)
        self._real.clear()
        if place.is_symlink() or not place.is_dir():
            place.unlink(missing_ok=True)
        else:
            shutil.rmtree(place)

    def empty(self, name: str, *, but: frozenset[str] | set[str]) -> None:
        """Everything in a folder goes but what `but` names."""
        place = self.place(name) if name else Path(self._base)
        if place.is_symlink() or not place.is_dir():
            return
        for child in list(place.iterdir()):
            self.remove(f"{name}/{child.name}" if name else child.name, but=but)

    def _escape(self, name: str) -> VerificationError:
        msg = f"{self._archive}: member '{printable(name)}' would leave the folder it is unpacked into"
        return VerificationError(msg, "nothing of it is used; ask whoever made it for an archive without such members.")
