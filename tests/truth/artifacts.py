"""What is judged and tried: other people's packages and wheels as they were downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from elftools.elf.elffile import ELFFile

from edgebuild.fetch import fetch_all
from edgebuild.model.recipe import Download
from edgebuild.unpack import make_merged_usr, unpack_deb, unpack_wheel
from edgebuild.workspace import Workspace
from tests.truth.recipe import DebSpec, WheelSpec, load_artifacts

_DEFAULT_ARGUMENTS = ("--version",)
_LIBRARY_FOLDERS = ("usr/lib/aarch64-linux-gnu", "usr/lib")


@dataclass(frozen=True)
class Trial:
    """Something that has to work. what: a path below the artifact's folder, or a module's name.

    arguments: of a program; of a script its interpreter alone.
    """

    kind: Literal["start", "script", "open", "import"]
    what: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """path: what the audit gets. folder: the same as files, where the trials take place; all of them must work.

    digest: of its bytes. library_path: folders below `folder` that belong to the loader's own once it is installed.
    beside: Python tag -> folder that has to be on sys.path, and its digest.
    """

    name: str
    path: Path
    folder: Path
    digest: str
    trials: tuple[Trial, ...]
    library_path: tuple[str, ...] = ()
    beside: dict[str, tuple[Path, str]] = field(default_factory=dict)


def provide_downloaded(ws: Workspace) -> Iterator[Artifact]:
    """Packages of three distributions and wheels. Raises NotAvailable, VerificationError."""
    recipe, lock = load_artifacts()
    everything = [each for suite in lock.debs.values() for each in suite.values()] + list(lock.wheels.values())
    with ws.log.step(f"Fetching {len(everything)} packages and wheels of the truth test") as step:
        files = dict(zip((each.sha256 for each in everything), fetch_all(everything, ws=ws, step=step), strict=True))
    for number, suite in enumerate(recipe.suites):
        for spec in recipe.debs:
            download = lock.debs[suite][spec.package(number)]
            yield _deb(f"{suite}/{spec.package(number)}", spec, download, files[download.sha256], ws)
    unpacked = {
        wheel.file: _unpacked(lock.wheels[wheel.file], files[lock.wheels[wheel.file].sha256], ws)
        for wheel in recipe.wheels
    }
    for wheel in recipe.wheels:
        beside = {
            other.python_tag: (unpacked[other.file], lock.wheels[other.file].sha256)
            for other in recipe.wheels
            if other.project == wheel.beside
        }
        yield _wheel(wheel, lock.wheels[wheel.file], files[lock.wheels[wheel.file].sha256], unpacked, beside)


def _deb(name: str, spec: DebSpec, download: Download, file: Path, ws: Workspace) -> Artifact:
    def make(folder: Path) -> None:
        make_merged_usr(folder)
        unpack_deb(file, folder)

    folder = ws.provide("testdata", f"truth-{spec.packages[0]}", download.sha256, make, f"Unpacking {download.file}")
    trials = tuple(sorted(_trials(folder, spec), key=lambda trial: trial.what))
    assert trials, f"{name} has nothing to try"
    return Artifact(name, file, folder, download.sha256, trials, _LIBRARY_FOLDERS)


def _trials(folder: Path, spec: DebSpec) -> Iterator[Trial]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file() or path.is_relative_to(folder / "usr/share"):
            continue
        with path.open("rb") as file:
            head = file.read(4)
            if head[:2] == b"#!" and path.stat().st_mode & 0o100:
                interpreter = (head + file.readline())[2:].decode().split()[0]
                yield Trial("script", path.relative_to(folder).as_posix(), (interpreter,))
            if head != b"\x7fELF":
                continue
            elf = ELFFile(file)
            is_program = elf["e_type"] == "ET_EXEC" or any(s["p_type"] == "PT_INTERP" for s in elf.iter_segments())
        what = path.relative_to(folder).as_posix()
        if is_program:
            yield Trial("start", what, spec.run.get(what, _DEFAULT_ARGUMENTS))
        else:
            yield Trial("open", what)


def _unpacked(download: Download, file: Path, ws: Workspace) -> Path:
    def make(folder: Path) -> None:
        unpack_wheel(file, folder)

    return ws.provide("testdata", "truth-wheel", download.sha256, make, f"Unpacking {download.file}")


def _wheel(
    spec: WheelSpec, download: Download, file: Path, unpacked: dict[str, Path], beside: dict[str, tuple[Path, str]]
) -> Artifact:
    trial = Trial("import", spec.module)
    # The cache's name of the file begins with its digest; the audit reads tags from the name, so it gets the plain one.
    named = _plain_name(file, spec.file, unpacked[spec.file])
    return Artifact(spec.file.removesuffix(".whl"), named, unpacked[spec.file], download.sha256, (trial,), (), beside)


def _plain_name(file: Path, name: str, folder: Path) -> Path:
    place = folder.with_name(f"{folder.name}.named") / name
    if not place.is_symlink():
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(file)
    return place
