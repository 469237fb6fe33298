"""What a GCC is imported from, as one archive in the cache: the file itself, or a folder packed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgebuild.build.pack import PackedFile, pack
from edgebuild.digest import sha256_file
from edgebuild.errors import ConfigError
from edgebuild.fetch import keep_file
from edgebuild.model.recipe import Download
from edgebuild.workspace import Workspace


def keep_archive_of(source: Path, name: str, *, ws: Workspace) -> Download:
    """The archive of a GCC in the cache. Equal folders give equal bytes. Raises ConfigError for what cannot be read."""
    try:
        if source.is_file():
            size_bytes = source.stat().st_size
            download = Download(file=source.name, sha256=sha256_file(source), size_bytes=size_bytes)
            keep_file(source, download, ws=ws)
            return download
        return pack(f"{name}.tar.zst", name, _members(source), packer="zstd", ws=ws)
    except OSError as err:
        msg = f"{err.filename or source}: cannot be read ({err.strerror})"
        raise ConfigError(msg) from err


def _members(folder: Path) -> Iterator[PackedFile]:
    for place, folders, names in os.walk(folder, onerror=_fail):
        folders.sort()
        links = [name for name in folders if Path(place, name).is_symlink()]
        for path in (Path(place, name) for name in sorted([*names, *links])):
            member = path.relative_to(folder).as_posix()
            if path.is_symlink():
                yield PackedFile(member, link=_link_text(path, folder))
            elif path.is_file():
                yield PackedFile(member, content=path, executable=os.access(path, os.X_OK))


def _fail(err: OSError) -> None:
    raise err


def _link_text(path: Path, folder: Path) -> str:
    """An absolute link inside the folder becomes relative, because the folder will lie elsewhere."""
    target = str(path.readlink())
    for top in (folder, folder.resolve()):
        if target.startswith("/") and Path(target).is_relative_to(top):
            return os.path.relpath(folder / Path(target).relative_to(top), path.parent)
    return target
