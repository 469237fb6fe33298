"""Files of a box's root folder as somebody lists them: on the box itself, in a folder, in an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RootFile:
    """A file, or a symlink if `link` is not empty. path: below the root, without a leading slash.

    No folder of the path is a symlink. link: the target as it stands there, absolute or relative.
    """

    path: str
    size_bytes: int = 0
    executable: bool = False
    link: str = ""


class RootSource(Protocol):
    """Something that has a box's root. Reading changes nothing there."""

    @property
    def title(self) -> str:
        """For messages and recipes: "root@10.0.0.7"."""
        ...

    def find(self, places: Sequence[str], names: Sequence[str] = ()) -> list[RootFile]:
        """The symlinks on the way to each place, and every file and symlink below where it leads.

        names: globs, one of which a file's name has to match. A place that is not there gives nothing.
        """
        ...

    def digests(self, paths: Sequence[str]) -> Mapping[str, str]:
        """sha256 by path, without those that cannot be read; empty where the source cannot tell digests."""
        ...

    def send(self, paths: Sequence[str], feed: Callable[[bytes], None]) -> None:
        """The files' contents in this order, one after another and nothing between them."""
        ...


@dataclass(frozen=True)
class ImportWish:
    """also: folders taken beside the usual places, below the root. python: interpreter and standard library.

    static: every static library that fits, rather than only those that a shared link needs.
    """

    also: tuple[str, ...] = ()
    python: bool = False
    static: bool = False
