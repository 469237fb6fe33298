"""An SDK that is imported again: what somebody has edited in its recipe stays, or its loss is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgebuild.config.sdk import sdk_file
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import ConfigError
from edgebuild.model.sdk import SdkLicence, SdkRecipe
from edgebuild.workspace import Workspace


@dataclass(frozen=True)
class Kept:
    """Empty where nothing is kept: what the source or the command line says, counts."""

    title: str = ""
    version: str = ""
    url: str = ""
    redistributable: bool = False
    cmake_variables: dict[str, str] = field(default_factory=dict)


def earlier_recipe(name: str, ws: Workspace) -> SdkRecipe | None:
    """What the SDK of this name is now; None also where it cannot be read, which an import mends."""
    file = sdk_file(name, ws)
    try:
        return load_yaml(file, SdkRecipe) if file.is_file() else None
    except ConfigError:
        return None


def kept_of(before: SdkRecipe | None, source: str, licence: SdkLicence) -> Kept:
    """Of another source it would be wrong; and what may ship, no other licence says."""
    if before is None or before.source != source:
        return Kept()
    return Kept(
        title=before.title,
        version=before.version,
        url=before.url,
        redistributable=before.redistributable and before.licence.name == licence.name,
        cmake_variables=before.cmake_variables,
    )


def lost_of(before: SdkRecipe, after: SdkRecipe) -> list[str]:
    """Fields that may have been edited and are other ones now. A new version is what a new source is for."""
    fields = ("title", "url", "redistributable", "cmake_variables")
    return [name for name in fields if getattr(before, name) and getattr(before, name) != getattr(after, name)]
