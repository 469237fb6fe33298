"""What the truth test downloads: artifacts.yaml (reviewed) and artifacts.lock (made from it)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebuild.apt import resolve
from edgebuild.build.sysroot import lock_sysroot
from edgebuild.config.recipes import save_lock
from edgebuild.config.targets import recipe_digest
from edgebuild.config.yaml import load_yaml
from edgebuild.fetch import pypi_download
from edgebuild.model.arch import ARCHES
from edgebuild.model.recipe import Download, Record, SysrootRecipe
from edgebuild.run import run
from edgebuild.workspace import Workspace

HERE = Path(__file__).resolve().parent
ROOTS = ("debian-11", "debian-12", "debian-13")
_MADE_BY = "python -m tests.truth"


class DebSpec(Record, frozen=True):
    """packages: of every suite in turn, or one name for all. run: program -> its arguments."""

    packages: tuple[str, ...]
    run: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    def package(self, number: int) -> str:
        """Of the suite of that number."""
        return self.packages[number if len(self.packages) > 1 else 0]


class WheelSpec(Record, frozen=True, rename={"module": "import"}):
    """module: what is imported. beside: project whose wheel for the same Python has to be on the path."""

    file: str
    module: str
    beside: str = ""

    @property
    def project(self) -> str:
        return self.file.partition("-")[0].replace("_", "-")

    @property
    def python_tag(self) -> str:
        """ "cp39" of "msgspec-0.20.0-cp39-cp39-...whl"."""
        return self.file.split("-")[2]


class ArtifactsRecipe(Record, frozen=True):
    suites: tuple[str, ...]
    debs: tuple[DebSpec, ...]
    wheels: tuple[WheelSpec, ...]


class ArtifactsLock(Record, frozen=True):
    """recipe: digest of the YAML. debs: suite -> package -> file. wheels: by file name."""

    recipe: str
    debs: dict[str, dict[str, Download]]
    wheels: dict[str, Download]


def load_artifacts() -> tuple[ArtifactsRecipe, ArtifactsLock]:
    recipe = load_yaml(HERE / "artifacts.yaml", ArtifactsRecipe)
    lock = load_yaml(HERE / "artifacts.lock", ArtifactsLock)
    assert lock.recipe == recipe_digest(HERE / "artifacts.yaml"), "artifacts.lock is not of this recipe"
    return recipe, lock


def lock_all(ws: Workspace) -> None:
    """Writes every lock anew, with what mirror and index have now. Raises NotAvailable."""
    for file in sorted((HERE / "roots").glob("*.yaml")):
        lock = lock_sysroot(load_yaml(file, SysrootRecipe), recipe_digest(file), ws=ws, run=run)
        save_lock(file.with_suffix(".lock"), lock, made_by=_MADE_BY)
    recipe = load_yaml(HERE / "artifacts.yaml", ArtifactsRecipe)
    debs = {suite: _packages(recipe, number, suite, ws=ws) for number, suite in enumerate(recipe.suites)}
    wheels = {wheel.file: pypi_download(wheel.project, wheel.file) for wheel in recipe.wheels}
    digest = recipe_digest(HERE / "artifacts.yaml")
    save_lock(HERE / "artifacts.lock", ArtifactsLock(recipe=digest, debs=debs, wheels=wheels), made_by=_MADE_BY)


def _packages(recipe: ArtifactsRecipe, number: int, suite: str, *, ws: Workspace) -> dict[str, Download]:
    """Without what they depend on: a missing library is part of what is tried."""
    wanted = sorted(spec.package(number) for spec in recipe.debs)
    found = {each.file.partition("_")[0]: each for each in resolve(wanted, suite, ARCHES["aarch64"], ws=ws, run=run)}
    return {package: found[package] for package in wanted}
