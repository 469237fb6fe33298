"""What is on a box before anybody deploys to it: distribution packages by locked sha256, from the user's cache.

`python -m tests.boxes` makes the locks beside the recipes anew, with what the mirror has now.
"""

from __future__ import annotations

from pathlib import Path

from edgebuild.build.sysroot import lock_sysroot, provide_sysroot
from edgebuild.config.recipes import save_lock
from edgebuild.config.targets import recipe_digest
from edgebuild.config.yaml import load_yaml
from edgebuild.model.recipe import SysrootLock, SysrootRecipe
from edgebuild.run import run
from edgebuild.workspace import Workspace

_HERE = Path(__file__).resolve().parent


def lock_userlands(ws: Workspace) -> None:
    """Writes a lock beside every recipe. Raises NotAvailable."""
    for file in sorted(_HERE.glob("*.yaml")):
        lock = lock_sysroot(load_yaml(file, SysrootRecipe), recipe_digest(file), ws=ws, run=run)
        save_lock(file.with_suffix(".lock"), lock, made_by="python -m tests.boxes")


def provide_userland(name: str, ws: Workspace) -> Path:
    """The root folder of `NAME.yaml`. Fetched once per machine."""
    recipe, lock = load_yaml(_HERE / f"{name}.yaml", SysrootRecipe), load_yaml(_HERE / f"{name}.lock", SysrootLock)
    assert lock.recipe == recipe_digest(_HERE / f"{name}.yaml"), f"{name}.lock is not of this recipe"
    return provide_sysroot(name, recipe, lock, ws=ws).root
