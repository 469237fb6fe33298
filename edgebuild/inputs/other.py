"""Files that are no ELF files and can still fail on a box: scripts, compiled Python, static archives, models."""

from __future__ import annotations

import stat
from pathlib import Path

from edgebuild.inputs.archive import MAGICS, BrokenArchive, read_machines
from edgebuild.inputs.model import read_model, shipped_formats
from edgebuild.model.model_file import ModelFormat
from edgebuild.model.tree import OtherFile

_HEAD_BYTES = 256  # as much of the first line as the kernel reads (BINPRM_BUF_SIZE since Linux 5.1)
# First and last magic number of a minor, pre-releases included.
# Source: CPython, Include/internal/pycore_magic_number.h (before 3.14: Lib/importlib/_bootstrap_external.py).
_PYC_MAGICS = (
    (62171, 62211, "2.7"),
    (3160, 3180, "3.2"),
    (3190, 3230, "3.3"),
    (3250, 3310, "3.4"),
    (3320, 3351, "3.5"),
    (3360, 3379, "3.6"),
    (3390, 3394, "3.7"),
    (3400, 3413, "3.8"),
    (3420, 3425, "3.9"),
    (3430, 3439, "3.10"),
)
# "Starting with Python 3.11, Python 3.n starts with magic number 2900+50n." Later minors are not known to keep to that.
_PYC_REGULAR = range(11, 16)
_LARGE_FILE_POINTER = b"version https://git-lfs."  # first line, by the specification of Git LFS


def read_other(path: Path, name: str, formats: tuple[ModelFormat, ...] | None = None) -> OtherFile | None:
    """What kind of file it is; None for one that nothing has to be said about. Never raises for what is in the file.

    formats: of model files, by default those of all backends that ship with edgebuild.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return None  # opening a pipe would wait for its other end
        executable = bool(mode & 0o111)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(b"#!"):
            return _script(head, name, executable)
        if head[:8] in MAGICS:
            return _archive(path, name)
        if name.endswith(".pyc"):
            return _compiled(head, name)
        formats = shipped_formats() if formats is None else formats
        if head.startswith(_LARGE_FILE_POINTER):
            return _pointer(name, formats)
        return read_model(path, formats, name=name)
    except OSError as err:
        return OtherFile(name=name, kind="damaged", value=f"cannot be read ({err.strerror or err})")


def _script(head: bytes, name: str, executable: bool) -> OtherFile | None:
    """The kernel splits the line once, at blanks; a carriage return is part of the name, and why it is not found."""
    line = head[2:].partition(b"\n")[0]
    if b"\0" in line:
        return None  # no text
    text = line.decode("utf-8", "replace").strip(" \t")
    return OtherFile(name=name, kind="script", value=text, executable=executable) if text else None


def _archive(path: Path, name: str) -> OtherFile | None:
    try:
        machines = read_machines(path)
    except BrokenArchive as err:
        return OtherFile(name=name, kind="damaged", value=str(err))
    return None if machines is None else OtherFile(name=name, kind="archive", value=" ".join(machines))


def _compiled(head: bytes, name: str) -> OtherFile:
    if len(head) < 16 or head[2:4] != b"\r\n":
        return OtherFile(name=name, kind="damaged", value="no compiled Python code, whatever its name says")
    return OtherFile(name=name, kind="pyc", value=minor_of(int.from_bytes(head[:2], "little")))


def minor_of(magic: int) -> str:
    """The Python that writes this magic number, "3.9"; "" for one that we do not know."""
    for first, last, minor in _PYC_MAGICS:
        if first <= magic <= last:
            return minor
    number = (magic - 2900) // 50
    return f"3.{number}" if number in _PYC_REGULAR else ""


def _pointer(name: str, formats: tuple[ModelFormat, ...]) -> OtherFile | None:
    """Where Git LFS is not set up a checkout has a few lines of text in the place of each large file."""
    suffixes = tuple(suffix for each in formats for suffix in each.suffixes)
    if not name.lower().endswith((*suffixes, ".a", ".so")):
        return None
    return OtherFile(name=name, kind="damaged", value="a pointer of Git LFS, not the file itself")
