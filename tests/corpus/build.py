"""Makes the corpus: each artifact once per machine, in the user's cache, known by what went into it."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from pathlib import Path

from edgebuild.digest import digest_of, sha256_file
from edgebuild.workspace import Workspace
from tests.corpus.model import CONTRACTS, Defect, Made
from tests.corpus.roots import provide_contract
from tests.corpus.shop import Shop, compilers_digest
from tests.corpus.sound import Sound

Recipe = Callable[[Shop], Made | Path | None]

_HERE = Path(__file__).parent
_TOOLS = ("shop.py", "elf_edit.py", "images.py", "wheels.py")


def provide(defect: Defect, ws: Workspace) -> Made:
    """The artifact, from the cache where its recipe, the tools and the compilers are as they were."""
    return _provide(defect.name, defect.make, ws)


def provide_sound(sound: Sound, ws: Workspace) -> Path:
    """Another's artifact, fetched, or ours, made."""
    if sound.find:
        return sound.find(ws)
    assert sound.make, sound.name
    return _provide(f"sound-{sound.name}", sound.make, ws).path


def judged_by(contract: str, ws: Workspace) -> tuple[str, str]:
    """Options that name a box: one of contracts/, or a root whose contract is read from its files."""
    file = CONTRACTS / f"{contract}.yaml"
    return "--contract", str(file if file.is_file() else provide_contract(contract, ws))


def _provide(name: str, recipe: Recipe, ws: Workspace) -> Made:
    sources = [Path(inspect.getfile(recipe)), *(_HERE / tool for tool in _TOOLS)]
    key = digest_of([name, [sha256_file(source) for source in sources], compilers_digest(ws)])
    folder = ws.provide("corpus", name, key, lambda fresh: _make(recipe, fresh, ws), f"Making {name}")
    path, *options = (folder / "made").read_text().splitlines()
    return Made(folder / path, tuple(option.replace("{folder}", str(folder)) for option in options))


def _make(recipe: Recipe, folder: Path, ws: Workspace) -> None:
    """Writes `made` beside the artifact: its path below the folder, then the options, one a line."""
    shop = Shop(folder, ws)
    result = recipe(shop)
    made = result if isinstance(result, Made) else Made(result or shop.tree)
    options = [option.replace(str(folder), "{folder}") for option in made.options]
    (folder / "made").write_text("\n".join([made.path.relative_to(folder).as_posix(), *options]) + "\n")
    shutil.rmtree(folder / "bench", ignore_errors=True)
