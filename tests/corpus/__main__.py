"""`python -m tests.corpus`: makes every artifact and the page about them. With names: shows the verdicts on those.

`--lock` takes the packages of roots/ that the mirror has now.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgebuild.build.sysroot import lock_sysroot
from edgebuild.config.recipes import save_lock
from edgebuild.config.targets import recipe_digest
from edgebuild.config.yaml import load_yaml
from edgebuild.log import Log
from edgebuild.model.recipe import SysrootRecipe
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.corpus import build, docs, judge
from tests.corpus.defects import DEFECTS
from tests.corpus.sound import everything


def lock_roots(ws: Workspace) -> None:
    for file in sorted((Path(__file__).parent / "roots").glob("*.yaml")):
        lock = lock_sysroot(load_yaml(file, SysrootRecipe), recipe_digest(file), ws=ws, run=run)
        save_lock(file.with_suffix(".lock"), lock, made_by="python -m tests.corpus --lock")


def show(names: list[str], ws: Workspace) -> int:
    """Every verdict that is not what the corpus says, with all that was found. Number of disagreements."""
    disagreements = 0
    for defect in DEFECTS:
        if names and defect.name not in names:
            continue
        made = build.provide(defect, ws)
        verdict = judge.judge(defect, made, ws)
        found = judge.problems(defect, verdict)
        if found or names:
            disagreements += bool(found)
            print("\n".join([f"{defect.name}: {made.path}", *(f"  ! {each}" for each in found), verdict.told()]))
    for sound in everything():
        if names and sound.name not in names:
            continue
        path = build.provide_sound(sound, ws)
        fits, below = (judge.audit(path, *build.judged_by(name, ws)) for name in (sound.fits, sound.below))
        wrong = [f"false refusal: {judge.shown(each)}" for each in fits.refusing[:12]]
        wrong += [fits.stderr.strip()[-600:]] if fits.exit_code != judge.PASSED and not wrong else []
        if sound.code not in {each["code"] for each in below.refusing}:
            wrong.append(f"ESCAPE: no {sound.code} below its floor\n{below.told()[:1500]}")
        if wrong or names:
            disagreements += bool(wrong)
            told = fits.told() if names else ""
            print("\n".join([f"{sound.name}: {path}", *(f"  ! {each}" for each in wrong), told]))
    return disagreements


if __name__ == "__main__":
    workspace = Workspace.open(project=Path.cwd(), out=None, log=Log())
    match sys.argv[1:]:
        case ["--lock"]:
            lock_roots(workspace)
        case ["--page"]:
            docs.PAGE.write_text(docs.render())
        case names:
            sys.exit(1 if show(names, workspace) else 0)
