"""Our own artifacts, made once per machine and version of their sources."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgebuild.digest import digest_of, digest_tree, sha256_file
from edgebuild.run import Command, run
from edgebuild.workspace import Workspace
from tests.truth import own_elves, own_python, own_trees
from tests.truth.artifacts import Artifact, Trial
from tests.truth.bench import Bench, Compiler, Make
from tests.truth.roots import Root

_HERE = Path(__file__).parent
_SOURCES = ("own.py", "own_elves.py", "own_trees.py", "own_python.py", "bench.py", "opener.c")
CASES: dict[str, Make] = {**own_elves.CASES, **own_trees.CASES, **own_python.CASES}


def provide_own(ws: Workspace, roots: tuple[Root, ...]) -> tuple[Path, tuple[Artifact, ...]]:
    """The opener of libraries, and the artifacts."""
    compiler = Compiler.provide(ws)
    sources = [sha256_file(_HERE / name) for name in _SOURCES]
    key = digest_of([compiler.digest, sources, [root.digest for root in roots]])

    def make(product: Path) -> None:
        opener = Bench(product, product / "scratch", compiler)
        opener.scratch.mkdir()
        opener.program("opener", (_HERE / "opener.c").read_text())
        for name, case in CASES.items():
            _make(name, case, product, compiler)
        for root in roots:
            _compiled_python(root, product / f"pyc-{root.python}", product)
        shutil.rmtree(product / "scratch")

    product = ws.provide("testdata", "truth-own", key, make, "Building the truth test's own artifacts")
    return product / "opener", tuple(_artifacts(product))


def _make(name: str, case: Make, product: Path, compiler: Compiler) -> None:
    bench = Bench(product / name, product / "scratch" / name, compiler)
    bench.folder.mkdir()
    bench.scratch.mkdir()
    trials = case(bench)
    (product / f"{name}.json").write_bytes(msgspec.json.encode((bench.alone, trials)))


def _compiled_python(root: Root, folder: Path, product: Path) -> None:
    """A package that ships without its source, as some vendors do."""
    folder.mkdir()
    (folder / "m.py").write_text("VALUE = 7\n")
    program = "import py_compile, sys; py_compile.compile('m.py', 'm.pyc', dfile='m.py', doraise=True)"
    env = {"PYTHONHOME": str(root.sysroot.root / "usr"), "PYTHONDONTWRITEBYTECODE": "1"}
    run(Command(*root.prefix, root.interpreter, "-S", "-c", program, cwd=folder, env=env, timeout_s=120.0))
    (folder / "m.py").unlink()
    trials = (Trial("import", "m"),)
    (product / f"{folder.name}.json").write_bytes(msgspec.json.encode(("", trials)))


def _artifacts(product: Path) -> Iterator[Artifact]:
    for record in sorted(product.glob("*.json")):
        folder = product / record.name.removesuffix(".json")
        alone, trials = msgspec.json.decode(record.read_bytes(), type=tuple[str, tuple[Trial, ...]])
        yield Artifact(f"own/{folder.name}", folder / alone, folder, digest_tree(folder), trials)
