"""The set readers are measured and compared on: every arm64 ELF file of the truth test's roots, packages and wheels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgebuild.workspace import Workspace
from tests.truth.artifacts import provide_downloaded
from tests.truth.roots import provide_roots

_AARCH64 = 183
_PROGRAM, _LIBRARY = 2, 3  # ET_EXEC, ET_DYN


def provide_elves(ws: Workspace) -> tuple[Path, ...]:
    """At least 500 files of at least 200 MiB together. Raises NotAvailable."""
    folders = [root.sysroot.root for root in provide_roots(ws)]
    folders += [artifact.folder for artifact in provide_downloaded(ws)]
    found = tuple(path for folder in folders for path in _elves_below(folder))
    size_bytes = sum(path.stat().st_size for path in found)
    assert len(found) >= 500, len(found)
    assert size_bytes >= 200 << 20, size_bytes
    return found


def _elves_below(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        for path in sorted(Path(base, name) for name in names):
            if path.is_symlink():
                continue
            with path.open("rb") as file:
                head = file.read(20)
            if head[:6] == b"\x7fELF\x02\x01" and head[16] in (_PROGRAM, _LIBRARY) and head[18] == _AARCH64:
                yield path
