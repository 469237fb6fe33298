"""Every path edgebuild reads or writes, and the one way in which a product comes into being."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
import msgspec
import platformdirs

from edgebuild.errors import ConfigError
from edgebuild.log import Log
from edgebuild.model.cost import Cost, since, spent
from edgebuild.scratch import scratch_folder

_PACKAGE = Path(__file__).resolve().parent
PROJECT_FILE = "edgebuild.yaml"
_DATA_ROOMS = ("toolchains", "sysroots", "images", "cpp_core")


def shipped_data() -> Path:
    """Folder that holds toolchains/, sysroots/, images/ and cpp_core/: the checkout, or edgebuild/data in a wheel."""
    installed = _PACKAGE / "data"
    return installed if installed.is_dir() else _PACKAGE.parent


def find_project(start: Path) -> Path | None:
    """The folder with edgebuild.yaml, `start` or the nearest above it."""
    start = start.absolute()
    return next((folder for folder in (start, *start.parents) if (folder / PROJECT_FILE).is_file()), None)


@dataclass(frozen=True)
class Workspace:
    """cache: shared by all projects and processes of a user. out: results of this project, a folder per row."""

    cache: Path
    out: Path
    project: Path
    log: Log
    offline: bool = False

    @staticmethod
    def open(*, project: Path, out: Path | None, log: Log, offline: bool = False) -> Workspace:
        """Uses EDGEBUILD_CACHE, else the platform's user cache directory; both are created on demand."""
        cache = Path(os.environ.get("EDGEBUILD_CACHE") or platformdirs.user_cache_dir("edgebuild")).absolute()
        return Workspace(cache, (out or project / "out").absolute(), project.absolute(), log, offline)

    def find(self, room: str, name: str) -> Path:
        """`room/name`, the project's own file before the shipped one (an overlay by equal names)."""
        assert room in _DATA_ROOMS, room
        for base in (self.project, shipped_data()):
            if (path := base / room / name).exists():
                return path
        return shipped_data() / room / name

    def names(self, room: str) -> tuple[str, ...]:
        """Every recipe of a room, the project's own and the shipped ones."""
        bases = (self.project, shipped_data())
        return tuple(sorted({path.stem for base in bases for path in (base / room).glob("*.yaml")}))

    @property
    def core_source(self) -> Path:
        return shipped_data() / "cpp_core"

    def build_tree(self, target: str) -> Path:
        """Persistent CMake tree, so that a second build compiles only what changed."""
        return self.project / "build" / target

    def log_file(self, name: str) -> Path:
        """A fresh log file; earlier logs of the same name are replaced."""
        path = self.cache / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Exclusive between processes; tells the user whom it waits for rather than seeming to hang."""
        folder = self.cache / "locks"
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            self.log.note(f"waiting for another edgebuild that makes {name}")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def scratch(self, purpose: str) -> Iterator[Path]:
        """A folder on the cache's file system that is gone afterwards, whatever happens."""
        base = self.cache / "work"
        with contextlib.ExitStack() as making:
            with self._writing():
                base.mkdir(parents=True, exist_ok=True)
                path = making.enter_context(scratch_folder(base, purpose))
            yield path

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            msg = f"{self.cache}: cannot be used as cache ({err.strerror})"
            raise ConfigError(msg, "set EDGEBUILD_CACHE to a folder you can write to.") from err

    def product(self, kind: str, name: str, key: str) -> Path:
        """Where a product of this key lives, whether or not it exists yet."""
        return self.cache / kind / f"{name}-{key[:16]}"

    def provide(self, kind: str, name: str, key: str, make: Callable[[Path], None], title: str) -> Path:
        """The product's folder, made by `make(folder)` if nobody has made it yet.

        It appears whole or not at all: made beside its place, then renamed. Two processes that want the
        same product make it once. kind: "sysroots"; key: digest of everything that went in.
        """
        place = self.product(kind, name, key)
        if place.is_dir():
            return place
        with self.lock(place.name):
            if place.is_dir():
                return place
            with self.log.step(title), self.scratch(name) as scratch:
                fresh = scratch / "product"
                fresh.mkdir()
                start = spent()
                make(fresh)
                write_atomic(self._cost_file(kind, key), msgspec.json.encode(since(start)))
                place.parent.mkdir(parents=True, exist_ok=True)
                fresh.rename(place)
        return place

    def cost_of(self, kind: str, key: str) -> Cost | None:
        """What the product of this key took when it was made; None where nobody has noted it."""
        try:
            return msgspec.json.decode(self._cost_file(kind, key).read_bytes(), type=Cost)
        except (OSError, msgspec.DecodeError):
            return None

    def costs_noted(self, kind: str) -> frozenset[str]:
        """Names of the products of this kind whose cost is known, as cost_name() gives them."""
        return frozenset(path.stem for path in (self.cache / "costs" / kind).glob("*.json"))

    @staticmethod
    def cost_name(key: str) -> str:
        return key[:16]

    def _cost_file(self, kind: str, key: str) -> Path:
        """Not in the product, whose bytes follow from what went in."""
        return self.cache / "costs" / kind / f"{self.cost_name(key)}.json"


def write_atomic(path: Path, content: str | bytes) -> None:
    """The old file or the whole new one, never half of it. Raises OSError of `path`, whose name the caller knows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        fresh.replace(path)
    except OSError as err:
        fresh.unlink(missing_ok=True)
        raise OSError(err.errno, err.strerror, str(path)) from err
