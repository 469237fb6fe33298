"""What a sysroot's pkg-config files say, with its own folder before every path.

PKG_CONFIG_SYSROOT_DIR would put it before the paths of all packages, also of those that lie elsewhere: of a project's
Conan libraries, of an imported SDK.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgebuild.digest import digest_of
from edgebuild.workspace import Workspace

# A variable's value, and what -I and -L name. Format: pc(5).
_PATH = re.compile(r"(?P<before>^[\w.]+[ \t]*=[ \t]*|(?<=[\s:])-[IL])(?=/)", re.MULTILINE)
_FIRST = ("usr/local/lib", "usr/lib", "usr/share")


def provide_pkgconfig(root: Path, name: str, digest: str, *, ws: Workspace) -> Path:
    """A folder for PKG_CONFIG_LIBDIR with a copy of every .pc file of a sysroot. digest: of the sysroot."""

    def make(product: Path) -> None:
        for file in _files(root):
            place = product / file.name
            if not place.exists():
                place.write_text(relocate(file.read_text(errors="replace"), root))

    key = digest_of([digest, str(root)])
    return ws.provide("pkgconfig", name, key, make, f"Reading what {name} has for pkg-config")


def relocate(text: str, root: Path) -> str:
    """A .pc file's text as if the sysroot were the machine's root."""
    start = str(root).replace(" ", "\\ ")
    return _PATH.sub(lambda match: match["before"] + start, text)


def _files(root: Path) -> list[Path]:
    """Of two with one name the nearer to pkg-config's own order comes first."""
    found = [path for path in root.rglob("pkgconfig/*.pc") if path.is_file()]

    def order(path: Path) -> tuple[int, str]:
        place = path.relative_to(root).as_posix()
        return next((index for index, first in enumerate(_FIRST) if place.startswith(first)), len(_FIRST)), place

    return sorted(found, key=order)
