"""What lies in a tree, by name alone: files, links and where they lead. Nothing is opened, no link is followed."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_MAX_LINKS = 40  # as the kernel follows
_VIRTUAL = ("dev", "proc", "sys")  # of a running system: no files that anybody ships


@dataclass(frozen=True)
class Entry:
    """A regular file. name: below the root; the other fields tell whether it is the same as last time."""

    name: str
    size_bytes: int
    mode: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def signature(self) -> tuple[str | int, ...]:
        return (self.name, self.size_bytes, self.mode, self.mtime_ns, self.ctime_ns, self.inode)

    @property
    def is_executable(self) -> bool:
        return bool(self.mode & 0o111)


@dataclass(frozen=True)
class Listing:
    """files: by name. links: name -> target, as it is written. closed: folders that we may not read."""

    root: Path
    files: dict[str, Entry]
    folders: frozenset[str]
    links: dict[str, str]
    closed: tuple[str, ...] = ()
    _known: dict[str, str | None] = field(default_factory=dict, repr=False)

    @property
    def size_bytes(self) -> int:
        """What it takes up once copied; a file with several names counts once for each, as in an archive unpacked."""
        return sum(entry.size_bytes for entry in self.files.values())

    def exists(self, name: str) -> bool:
        return name in self.files or name in self.folders

    def resolve(self, name: str, *, system: bool) -> str | None:
        """The file or folder that a name means, links followed; None if it leads nowhere or out of the tree.

        system: absolute targets and ".." beyond the top mean the tree's own root, as they do after chroot.
        """
        done: list[str] = []
        todo = name.split("/")[::-1]
        hops = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not done and not system:
                    return None
                del done[-1:]
                continue
            done.append(part)
            target = self.links.get("/".join(done))
            if target is None:
                continue
            hops += 1
            if hops > _MAX_LINKS or (target.startswith("/") and not system):
                return None
            done = [] if target.startswith("/") else done[:-1]
            todo += target.split("/")[::-1]
        found = "/".join(done)
        return found if not found or self.exists(found) else None

    def resolved_links(self, *, system: bool) -> dict[str, str | None]:
        """Every link -> what it leads to, None for nowhere."""
        return {name: self.resolve(name, system=system) for name in sorted(self.links)}


def list_tree(root: Path) -> Listing:
    files: dict[str, Entry] = {}
    folders: set[str] = set()
    links: dict[str, str] = {}
    closed: list[str] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(_entries(root / folder), key=lambda each: each.name)
        except PermissionError:
            closed.append(folder)
            continue
        for entry in entries:
            name = posixpath.join(folder, entry.name)
            if entry.is_symlink():
                links[name] = os.readlink(entry.path)  # noqa: PTH115 - Path would drop a trailing slash
            elif entry.is_dir(follow_symlinks=False):
                folders.add(name)
                if name not in _VIRTUAL:
                    waiting.append(name)
            elif stat.S_ISREG((found := entry.stat(follow_symlinks=False)).st_mode):
                files[name] = _entry(name, found)
    return Listing(root, dict(sorted(files.items())), frozenset(folders), links, tuple(sorted(closed)))


def list_file(path: Path) -> Entry:
    return _entry(path.name, path.stat())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, found.st_size, found.st_mode, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
