"""An SDK that is imported again: what somebody has edited in its recipe stays, or its loss is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.config.sdk import sdk_file
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import ConfigError
from edgebuild.model.sdk import Sdk, SdkLicence, SdkLock, SdkRecipe
from edgebuild.workspace import Workspace


@dataclass(frozen=True)
class Kept:
    """Empty where nothing is kept: what the source or the command line says, counts."""

    title: str = ""
    version: str = ""
    url: str = ""
    redistributable: bool = False
    cmake_variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Earlier:
    """What the SDK of a name is now. tree: digest of its files, "" where that cannot be read."""

    recipe: SdkRecipe
    tree: str


def earlier_sdk(name: str, ws: Workspace) -> Earlier | None:
    """None also where the recipe cannot be read, which an import mends and this tells."""
    file = sdk_file(name, ws)
    try:
        recipe = load_yaml(file, SdkRecipe) if file.is_file() else None
    except ConfigError:
        ws.log.note(f"{file}: could not be read, so nothing of it is kept")
        return None
    return Earlier(recipe, _tree_of(file.with_suffix(".lock"))) if recipe else None


def _tree_of(lock: Path) -> str:
    try:
        return load_yaml(lock, SdkLock).tree
    except ConfigError:
        return ""


def kept_of(earlier: Earlier | None, source: str, licence: SdkLicence, tree: str) -> Kept:
    """Of another source it would be wrong, a version of other files, too; and what may ship, no other licence says."""
    if earlier is None or earlier.recipe.source != source:
        return Kept()
    before = earlier.recipe
    return Kept(
        title=before.title,
        version=before.version if earlier.tree == tree else "",
        url=before.url,
        redistributable=before.redistributable and before.licence.name == licence.name,
        cmake_variables=before.cmake_variables,
    )


def tell_lost(earlier: Earlier | None, now: Sdk, ws: Workspace) -> None:
    """Fields that may have been edited and are other ones now. A new version is what a new source is for."""
    if earlier is None:
        return
    before, after, fields, why = earlier.recipe, now.recipe, ["title", "url", "redistributable", "cmake_variables"], ""
    if before.source != after.source:
        why = f"was of {before.source}, so "
    elif earlier.tree != now.lock.tree:
        fields.append("version")
        why = f"was of other files of {before.source}, so "
    lost = [name for name in fields if getattr(before, name) and getattr(before, name) != getattr(after, name)]
    if lost:
        ws.log.note(f"{sdk_file(now.name, ws)}: {why}this is not what it was: {', '.join(lost)}")
