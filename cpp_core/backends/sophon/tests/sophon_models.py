"""Compiled models: what of them is kept here, and how they become whole again.

Models for BM1684X and BM1688 carry the maker's kernel module, the same bytes in each. A .part file is such a model
without it; the module comes out of the locked wheel. models.lock has the sha256 of the whole.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path

from edgebuild.config.yaml import load_yaml
from edgebuild.errors import VerificationError
from edgebuild.fetch import fetch
from edgebuild.model.recipe import Download, Record
from edgebuild.workspace import Workspace

HERE = Path(__file__).parent
CHIPS = ("bm1684", "bm1684x", "bm1688")
HEADER_BYTES = 64
_TIME = b"Thu Jan  1 00:00:00 1970\n"  # what asctime() writes always has this length
_TIME_ID, _KERNEL_MODULE_ID, _BINARY_ID = 2, 6, 1


class LockedModel(Record, frozen=True, omit_defaults=True):
    """sha256: of the whole. kernel_module: member of the wheel that was cut out of the .part at `cut_at`."""

    sha256: str
    size_bytes: int
    kernel_module: str = ""
    cut_at: int = 0


def load_lock() -> dict[str, LockedModel]:
    return load_yaml(HERE / "models.lock", dict[str, LockedModel])


def wheel() -> Download:
    return load_yaml(HERE / "runtime.lock", Download)


def small_model(name: str, chip: str, ws: Workspace) -> bytes:
    """One that is kept here, for example ("affine", "bm1688"), whole and verified."""
    locked = load_lock()[f"{name}-{chip}"]
    if locked.kernel_module:
        part = (HERE / "parts" / f"{name}-{chip}.part").read_bytes()
        module = _kernel_module(locked.kernel_module, ws)
        content = part[: locked.cut_at] + module + part[locked.cut_at :]
    else:
        content = next(HERE.glob(f"{name}.bmodel" if name == "affine" else f"parts/{name}-{chip}.bmodel")).read_bytes()
    check(f"{name}-{chip}", content, locked)
    return content


def check(name: str, content: bytes, locked: LockedModel) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != locked.sha256:
        msg = f"{name}: sha256 is {found}, but models.lock says {locked.sha256}"
        raise VerificationError(msg, "the converter, its input or the part has changed.")


def settle_time(model: bytes) -> bytes:
    """The converter writes the time into its output: the one thing that differs from run to run."""
    at = _Table.root(model).target(_TIME_ID)
    (length,) = struct.unpack_from("<I", model, at)
    assert length == len(_TIME), length
    return model[: at + 4] + _TIME + model[at + 4 + length :]


def kernel_module_range(model: bytes) -> range:
    """Where in the file it lies; empty for BM1684."""
    flatbuffer_bytes = struct.unpack_from("<4I", model)[2]
    module = _Table.root(model).table(_KERNEL_MODULE_ID)
    start, size = struct.unpack_from("<2Q", model, module.field(_BINARY_ID))
    begin = HEADER_BYTES + flatbuffer_bytes + start
    return range(begin, begin + size)


def cut(model: bytes, ws: Workspace) -> tuple[bytes, str, int]:
    """Without the kernel module; which member of the wheel that was; where it was."""
    place = kernel_module_range(model)
    if not place:
        return model, "", 0
    module = model[place.start : place.stop]
    with zipfile.ZipFile(fetch(wheel(), ws=ws)) as archive:
        members = [name for name in archive.namelist() if name.endswith("_kernel_module.so")]
        (member,) = (name for name in members if archive.read(name) == module)
    return model[: place.start] + model[place.stop :], member, place.start


def _kernel_module(member: str, ws: Workspace) -> bytes:
    with zipfile.ZipFile(fetch(wheel(), ws=ws)) as archive:
        return archive.read(member)


class _Table:
    """A FlatBuffer table of a sound model. Positions are the file's."""

    def __init__(self, model: bytes, at: int) -> None:
        self._model = model
        self._at = at
        self._fields = at - struct.unpack_from("<i", model, at)[0]

    @staticmethod
    def root(model: bytes) -> _Table:
        return _Table(model, HEADER_BYTES + struct.unpack_from("<I", model, HEADER_BYTES)[0])

    def field(self, number: int) -> int:
        offset: int = struct.unpack_from("<H", self._model, self._fields + 4 + 2 * number)[0]
        return self._at + offset

    def target(self, number: int) -> int:
        at = self.field(number)
        distance: int = struct.unpack_from("<I", self._model, at)[0]
        return at + distance

    def table(self, number: int) -> _Table:
        return _Table(self._model, self.target(number))
