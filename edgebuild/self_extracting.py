"""Shell scripts with an archive behind them, as vendors hand out SDKs (".run"): the archive is found, never started.

The script's own way to it (makeself's `skip=N` lines, `tail -n +N`) differs from generator to generator and version to
version. Common to all is that a packed or plain tar begins right behind the script's last line, so that is looked for.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgebuild.errors import EdgebuildError
from edgebuild.packed import Bounds, Unpacked
from edgebuild.tarstream import read_members

_SCRIPT = b"#!"
# makeself's script is 20 to 40 kB; those that show a licence reach a megabyte.
_LONGEST_SCRIPT_BYTES = 8 << 20
_PACKED = re.compile(
    rb"(?<=\n)(?:\x1f\x8b\x08[\0-\x1f]|BZh[1-9]1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|\x5d\0\0[\0-\xff]{2}\xff|[^\0\n]{1,100}\0+[0-7])"
)
# What a candidate that is no archive leads to.
_NOT_AN_ARCHIVE = (ValueError, EOFError, OSError, EdgebuildError)


def is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SCRIPT)) == _SCRIPT


def find_payload(path: Path) -> int | None:
    """Where in the file its tar archive begins, packed or not; None where none is found."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_SCRIPT_BYTES)
    return next((match.start() for match in _PACKED.finditer(head) if _is_tar(path, match.start())), None)


def _is_tar(path: Path, offset: int) -> bool:
    """Whether a first member can be read there."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return any(True for _ in read_members(Unpacked(file, Bounds.of_file(path))))
    except _NOT_AN_ARCHIVE:
        return False
