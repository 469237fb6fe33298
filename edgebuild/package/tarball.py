"""The relocatable .tar.gz: equal trees give equal bytes, whoever packs them, wherever and whenever."""

from __future__ import annotations

import gzip
import os
import posixpath
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgebuild.errors import BuildError, ConfigError

_GZIP_LEVEL = 6
_MAX_DATE_S = 2**33 - 1  # the year 2242, and the last second that a plain tar header can state


def write_tarball(tree: Path, path: Path, *, top: str) -> None:
    """Packs everything below `tree` into the one folder `top` of the archive; `path` appears whole or not at all.

    Raises BuildError for a symlink that leads out of the tree and for what is neither file, folder nor symlink.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            _write(tree, file, top)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def source_date() -> int:
    """Time stamp of everything packed, in seconds: SOURCE_DATE_EPOCH, else 0. Raises ConfigError.

    Source: reproducible-builds.org, "SOURCE_DATE_EPOCH specification".
    """
    text = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not re.fullmatch(r"[0-9]{1,11}", text) or int(text) > _MAX_DATE_S:
        msg = f"SOURCE_DATE_EPOCH: '{text}' is not a number of seconds since 1970"
        raise ConfigError(msg, "`git log -1 --format=%ct` prints one; leave it unset for 0.")
    return int(text)


def _write(tree: Path, file: IO[bytes], top: str) -> None:
    mtime_s = source_date()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=_GZIP_LEVEL) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for member, path in members_of(tree, top):
            member.mtime = mtime_s
            if member.isreg():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)


def members_of(tree: Path, top: str) -> Iterator[tuple[tarfile.TarInfo, Path]]:
    """Headers that say nothing about the machine that packs, in an order that does not depend on it.

    top: the folder of the archive that stands for the tree. Raises BuildError as write_tarball does.
    """
    yield _member(top, tree, tree), tree
    for path in sorted(tree.rglob("*"), key=lambda path: path.relative_to(tree).parts):
        yield _member(f"{top}/{path.relative_to(tree).as_posix()}", path, tree), path


def _member(name: str, path: Path, tree: Path) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    if path.is_symlink():
        member.type = tarfile.SYMTYPE
        member.linkname = _link_inside(path, tree)
        member.mode = 0o777
    elif path.is_dir():
        member.type = tarfile.DIRTYPE
        member.mode = 0o755
    elif path.is_file():
        member.size = path.stat().st_size
        member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    else:
        msg = f"{path}: neither file, folder nor symlink, so it cannot be packed"
        raise BuildError(msg)
    return member


def _link_inside(path: Path, tree: Path) -> str:
    """Where a symlink points, if that is relative and within the tree."""
    link = path.readlink().as_posix()
    place = posixpath.normpath(posixpath.join(path.parent.relative_to(tree).as_posix(), link))
    if link.startswith("/") or place == ".." or place.startswith("../"):
        msg = f"{path.relative_to(tree)}: symlink to {link}, which is not in the tree that ships"
        raise BuildError(msg, "copy the file itself into the tree, or link within it.")
    return link
