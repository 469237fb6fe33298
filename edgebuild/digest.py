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


def digest_tree(root: Path, *, only: Iterable[str] = ("**/*",)) -> str:
    """Hex sha256 over the relative names, kinds, x-bits and bytes of a tree.

    only: glob patterns relative to root. Compiler droppings (__pycache__) never count.
    """
    entries: dict[str, list[str]] = {}
    for pattern in only:
        for path in root.glob(pattern):
            name = path.relative_to(root).as_posix()
            if "__pycache__" in name or (path.is_dir() and not path.is_symlink()):
                continue
            if path.is_symlink():
                entries[name] = ["link", str(path.readlink())]
            else:
                executable = "x" if path.stat().st_mode & 0o100 else "-"
                entries[name] = [executable, sha256_file(path)]
    return digest_of(entries)
