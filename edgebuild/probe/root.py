"""A folder that is some box's root, as a source: links in it lead to places in it, whatever they say."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edgebuild.model.probe_rule import ProbeRules
from edgebuild.probe.questions import (
    LIBRARY_FOLDERS,
    LOADER_CONFIGURATION,
    PROGRAM_FOLDERS,
    PYTHON_FOLDERS,
    packages_of,
    texts_of,
)
from edgebuild.probe.view import Entry, Fetched, View
from edgebuild.workspace import Workspace

_MAX_TEXT_BYTES = 256 << 10
_MAX_LINKS = 40  # as Linux
_NOT_ON_DISK = ("/proc/", "/sys/", "/dev/")
_STATUS = ("/var/lib/dpkg/status", "/var/lib/opkg/status", "/usr/lib/opkg/status")


class RootFolder:
    """word: what it is a root of, for Contract.sources. place: for messages, the folder by default."""

    def __init__(self, root: Path, ws: Workspace, word: str = "root folder", place: str = "") -> None:
        self._root = root.absolute()  # not resolved: /proc/PID/root is a link that says "/"
        self._ws = ws
        self.word = word
        self.place = place or str(root)

    def look(self, rules: ProbeRules) -> View:
        view = View()
        asked = [*LIBRARY_FOLDERS, *PROGRAM_FOLDERS, *PYTHON_FOLDERS]
        for pattern in (*asked, *self._loader_folders()):
            for folder in self._glob(pattern):
                if (real := self.real_path(folder)) and self._here(real).is_dir():
                    view.real[folder] = real
                    view.entries.setdefault(real, dict(self._list(real)))
        for pattern in texts_of(rules):
            view.texts.update({path: text for path in self._glob(pattern) if (text := self._text(path)) is not None})
        view.packages = dict(self._packages(packages_of(rules)))
        if self.real_path("/etc/ld.so.cache"):
            view.facts["loader_cache"] = "yes"
        return view

    def fetch(self, patterns: Iterable[str], room_bytes: int, take: Callable[[Fetched], None]) -> dict[str, int]:
        left: dict[str, int] = {}
        with self._ws.scratch("probe") as scratch:
            for path in (path for pattern in patterns for path in self._glob(pattern)):
                if not (real := self.real_path(path)) or not (file := self._here(real)).is_file():
                    continue
                size_bytes = file.stat().st_size
                rounded = -(-size_bytes // 1024) * 1024
                if rounded > room_bytes:
                    left[path] = size_bytes
                    continue
                room_bytes -= rounded
                place = Path(shutil.copyfile(file, scratch / "file"))
                take(Fetched(path, place))
        return left

    def real_path(self, path: str) -> str:
        """Where a path of the box leads on it; "" where that is nowhere."""
        done = "/"
        todo = list(reversed(path.strip("/").split("/")))
        links = 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                done = posixpath.dirname(done)
                continue
            place = posixpath.join(done, name)
            here = self._here(place)
            if here.is_symlink():
                links += 1
                if links > _MAX_LINKS:
                    return ""
                target = str(here.readlink())
                done = "/" if target.startswith("/") else done
                todo += reversed(target.split("/"))
            elif not os.path.lexists(here):
                return ""
            else:
                done = place
        return done

    def _here(self, real: str) -> Path:
        """real: a path whose folders are no links."""
        return self._root / real.lstrip("/")

    def _glob(self, pattern: str) -> Iterator[str]:
        """As a shell expands it: sorted, without names that begin with a dot."""
        if pattern.startswith(_NOT_ON_DISK):
            return
        found = [""]
        for part in pattern.strip("/").split("/"):
            if not re.search(r"[*?]", part):
                found = [f"{path}/{part}" for path in found]
                continue
            matched = []
            for path in found:
                real = self.real_path(path or "/")
                if real and self._here(real).is_dir():
                    names = sorted(each.name for each in self._here(real).iterdir() if not each.name.startswith("."))
                    matched += [f"{path}/{name}" for name in names if fnmatch.fnmatchcase(name, part)]
            found = matched
        yield from found

    def _list(self, real: str) -> Iterator[tuple[str, Entry]]:
        for link in self._here(real).iterdir():
            behind = self.real_path(posixpath.join(real, link.name))
            if not behind:
                continue
            about = self._here(behind).lstat()
            if stat.S_ISREG(about.st_mode):
                target = str(link.readlink()) if link.is_symlink() else ""
                yield link.name, Entry(about.st_size, bool(about.st_mode & 0o111), target)

    def _text(self, path: str) -> str | None:
        real = self.real_path(path)
        if not real or not self._here(real).is_file():
            return None
        with self._here(real).open("rb") as file:
            text = file.read(_MAX_TEXT_BYTES).replace(b"\0", b"\n").decode("utf-8", "replace")
        return text.removesuffix("\n")

    def _loader_folders(self) -> Iterator[str]:
        for path in (path for pattern in LOADER_CONFIGURATION for path in self._glob(pattern)):
            for line in (self._text(path) or "").split("\n"):
                if line.strip().startswith("/"):
                    yield line.split()[0]

    def _packages(self, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for path in _STATUS:
            real = self.real_path(path)
            if not real or not names:
                continue
            text = self._here(real).read_text(encoding="utf-8", errors="replace")
            for paragraph in text.split("\n\n"):
                fields = dict(re.findall(r"^(Package|Version): (.+)$", paragraph, re.MULTILINE))
                if fields.get("Package") in names and "Version" in fields:
                    yield fields["Package"], fields["Version"]
