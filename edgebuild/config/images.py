"""Container base recipes by name, checked as far as one file can be."""

from __future__ import annotations

from edgebuild.config.recipes import find_recipe
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import ConfigError
from edgebuild.model.arch import ArchName
from edgebuild.model.image import ImageRecipe
from edgebuild.workspace import Workspace


def load_image_recipe(name: str, ws: Workspace) -> ImageRecipe:
    """images/NAME.yaml. Raises ConfigError."""
    path = find_recipe("images", name, ws)
    recipe = load_yaml(path, ImageRecipe)
    for glob in recipe.keep:
        if not glob or glob.startswith("/") or ".." in glob.split("/"):
            msg = f"{path}: keep: '{glob}' is not below the root"
            raise ConfigError(msg, "write it relative to the root: usr/lib/*-linux-gnu/*.so.*")
    return recipe


def sysroot_of(name: str, recipe: ImageRecipe, arch: ArchName) -> str:
    """The sysroot whose packages the base takes. Raises ConfigError for an architecture it is not made for."""
    if arch not in recipe.sysroots:
        msg = f"images/{name}.yaml: sysroots: none for {arch}, so there is no such image"
        raise ConfigError(msg, f"there is one for: {', '.join(recipe.sysroots)}.")
    return recipe.sysroots[arch]
