"""Content digests: the only identity that products, downloads and plans have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


def digest_of(value: Any) -> str:
    """Hex sha256 of a JSON-able value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_tree(root: Path, *, only: Iterable[str] = ("**/*",), but: Iterable[str] = ()) -> str:
    """Hex sha256 over the relative names, kinds, x-bits and bytes of a tree.

    only, but: glob patterns relative to root, of what counts and what of that does not. Compiler droppings
    (__pycache__) never count.
    """
    paths = {path for pattern in only for path in root.glob(pattern) if path.is_symlink() or not path.is_dir()}
    paths -= {path for pattern in but for path in root.glob(pattern)}
    return digest_files(root, (path for path in paths if "__pycache__" not in path.relative_to(root).as_posix()))


def digest_files(root: Path, paths: Iterable[Path]) -> str:
    """The same over some files and symlinks below root."""
    return digest_of({path.relative_to(root).as_posix(): _entry(path) for path in paths})


def _entry(path: Path) -> list[str]:
    if path.is_symlink():
        return ["link", str(path.readlink())]
    return ["x" if path.stat().st_mode & 0o100 else "-", sha256_file(path)]
