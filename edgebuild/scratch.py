"""Folders for what is being made: gone with whoever makes it, and at the latest when the next one starts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SUFFIX = ".held"  # earlier versions, which may be at work beside this one, hold nothing and use other names


@contextlib.contextmanager
def scratch_folder(base: Path, purpose: str) -> Iterator[Path]:
    """An empty folder in `base`, held by this process. Those that nobody holds any more, because their process was
    killed or lost its power, are removed on the way.
    """
    with _held(base, waits=True):  # or a folder could be taken for left before it is held
        for left in base.glob(f"*{_SUFFIX}"):
            with _held(left) as is_ours:
                if is_ours:
                    shutil.rmtree(left, ignore_errors=True)
        path = Path(tempfile.mkdtemp(prefix=f"{purpose}-", suffix=_SUFFIX, dir=base))
        holding = contextlib.ExitStack()
        holding.enter_context(_held(path))
    with holding:
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path, *, waits: bool = False) -> Iterator[bool]:
    """Whether it is ours until then. The kernel lets go of it when this process ends, however it does; programs that it
    has started do not hold it. False also where the file system has no locks: then nothing is ever taken for left.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
