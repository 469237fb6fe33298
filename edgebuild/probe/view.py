"""What a look at a box brought back: the same words for a live one, a root folder and an image."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgebuild.model.probe_rule import ProbeRules

_MAX_LINKS = 16


@dataclass(frozen=True)
class Entry:
    """A file in a folder. size_bytes, executable: of what a link leads to. target: of a link, as it is written."""

    size_bytes: int
    executable: bool = False
    target: str = ""


@dataclass
class View:
    """facts: of a live box ("machine", "kernel", "page_size"). real: a folder that was asked for -> what it is.

    entries: by real folder, files only, without links that lead nowhere. texts: of readable files. packages: of rules.
    outputs: of commands, by name. free_kb: by folder.
    """

    facts: dict[str, str] = field(default_factory=dict)
    real: dict[str, str] = field(default_factory=dict)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    free_kb: dict[str, int] = field(default_factory=dict)

    def entry(self, path: str) -> Entry | None:
        folder, name = posixpath.split(path)
        return self.entries.get(self.real.get(folder, folder), {}).get(name)

    def file_behind(self, path: str) -> str:
        """The path of the file itself, as far as links lead through folders that were looked at."""
        for _ in range(_MAX_LINKS):
            folder, name = posixpath.split(path)
            folder = self.real.get(folder, folder)
            path = posixpath.join(folder, name)
            entry = self.entries.get(folder, {}).get(name)
            if entry is None or not entry.target:
                return path
            path = posixpath.normpath(posixpath.join(folder, entry.target))
        return path


@dataclass(frozen=True)
class Fetched:
    """A file of the box, here. paths: what it is called there."""

    path: str
    place: Path


class Source(Protocol):
    """Where facts come from. word: for Contract.sources: "probe", "root folder", "image". place: which one it is."""

    word: str
    place: str

    def look(self, rules: ProbeRules) -> View: ...

    def fetch(self, patterns: Iterable[str], room_bytes: int, take: Callable[[Fetched], None]) -> dict[str, int]:
        """Hands over every file that is there, one at a time; it is gone when `take` returns.

        Gives path -> bytes of those that did not fit into the room. patterns: absolute paths, or "/folder/*.so*".
        """
        ...
