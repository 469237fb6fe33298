"""What ships for a row: the core's runtime, its backends, their bundled libraries, FFmpeg, licences."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgebuild.errors import BuildError, ConfigError
from edgebuild.fetch import fetch
from edgebuild.model.arch import Arch
from edgebuild.model.product import CoreTree
from edgebuild.model.recipe import BundledLibrary, RuntimeRecipe
from edgebuild.workspace import Workspace

MODULES = Path("lib/edgecore")
LICENCES = Path("share/licenses")


def stage_runtime(
    stage: Path, core: CoreTree, deps: Path, runtimes: Mapping[str, RuntimeRecipe], arch: Arch, *, ws: Workspace
) -> dict[str, dict[str, str]]:
    """Fills `stage` with bin/, lib/ and share/ of one row.

    runtimes: the row's backends and what each bundles.
    Returns what bundled libraries may need above our own floor: file below stage -> {"GLIBC": "2.28"}.
    """
    shutil.copytree(core.runtime / "bin", stage / "bin")
    (stage / MODULES).mkdir(parents=True)
    _copy_shared_libraries(deps / "lib", stage / "lib")
    shutil.copytree(deps / "licenses", stage / LICENCES)
    # Beside the modules the core keeps programs that it starts for them: a row has them whatever its backends are.
    for program in (path for path in (core.runtime / MODULES).iterdir() if _is_program(path)):
        shutil.copy2(program, stage / MODULES / program.name)
    needs: dict[str, dict[str, str]] = {}
    for backend, runtime in runtimes.items():
        module = core.runtime / MODULES / f"libedgecore-{backend}.so"
        if not module.is_file():
            msg = f"backend '{backend}': the build gave no {module.name}"
            raise BuildError(msg, f"its CMakeLists.txt should call edgecore_add_backend({backend} ...).")
        shutil.copy2(module, stage / MODULES / module.name)
        for library in runtime.bundle:
            _unpack_library(library, arch, stage, ws=ws)
            needs[str(MODULES / library.install_as)] = library.needs
    return needs


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK) and ".so" not in path.name


def _copy_shared_libraries(source: Path, target: Path) -> None:
    """Each library once, under its SONAME (libx.so.5): the name that NEEDED entries use."""
    target.mkdir(parents=True, exist_ok=True)
    for link in sorted(source.glob("*.so.*")):
        if link.is_symlink():
            shutil.copy2(link.resolve(), target / link.name)


def _unpack_library(library: BundledLibrary, arch: Arch, stage: Path, *, ws: Workspace) -> None:
    if arch.name not in library.wheels:
        msg = f"{library.name} {library.version} is not locked for {arch.name}"
        raise ConfigError(msg, "add its wheel to the backend's runtime.yaml.")
    with ws.log.step(f"Providing {library.name} {library.version}") as step:
        wheel = fetch(library.wheels[arch.name], ws=ws, step=step)
    with zipfile.ZipFile(wheel) as archive:
        place = stage / MODULES / library.install_as
        place.write_bytes(archive.read(library.member))
        place.chmod(0o755)
        notices = stage / LICENCES / library.name
        notices.mkdir(parents=True, exist_ok=True)
        for notice in library.notices:
            (notices / Path(notice).name).write_bytes(archive.read(notice))
