"""From one request to one artifact: the only place where building meets packaging."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgebuild.build.audit import audit, render_findings
from edgebuild.build.cmake import render_toolchain_file
from edgebuild.build.conan import deps_digest, provide_deps
from edgebuild.build.core import CORE_SOURCES, core_version, library_variables, provide_core
from edgebuild.build.runtime import LICENCES, MODULES, stage_runtime
from edgebuild.build.sysroot import provide_sysroot, sysroot_digest
from edgebuild.build.toolchain import provide_toolchain
from edgebuild.commands.artifact import product_of, replace_folder, save_artifact, up_to_date
from edgebuild.digest import digest_of, digest_tree
from edgebuild.elf import highest_versions, read_elves
from edgebuild.errors import AuditError
from edgebuild.model.elf import ElfFacts
from edgebuild.model.product import Artifact, CoreTree, Product, Toolchain
from edgebuild.model.target import PythonSpec, TargetSpec
from edgebuild.package.debug import split_debug
from edgebuild.package.tarball import source_date, write_tarball
from edgebuild.package.wheel import build_wheel
from edgebuild.package.wheel_tag import soabi
from edgebuild.run import Runner
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace

_NAME = "edgecore"
_DRIVER = Path(__file__).resolve().parent.parent
_BINDINGS = ("python/**/*", "pyproject.toml")  # what a wheel is made from beside the installed core
# The part of the driver that decides a wheel's bytes: an edit elsewhere must not rebuild every wheel.
_WHEEL_MAKERS = ("package/*.py", "package/*.lock", "build/cmake.py", "build/runtime.py", "elf.py", "unpack.py")

Needs = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Job:
    """One row being built, and what all its stages share."""

    target: TargetSpec
    toolchain: Toolchain
    scratch: Path
    ws: Workspace
    run: Runner


@dataclass(frozen=True)
class Staged:
    """One row's files, before they are packaged.

    tree: what ships. debug: its split debug information. needs: what bundled libraries of others may need above
    our floor. core: the installed core with its SDK and tests; deps: the libraries it was linked with.
    """

    tree: Path
    debug: Path
    needs: Needs
    core: CoreTree
    deps: Path


def build(target: TargetSpec, *, ws: Workspace, run: Runner) -> Artifact:
    """Cross-compile the core for one target and prove that the box can load it."""
    plan = plan_digest(target, ws)
    with ws.lock(f"out-{digest_of(str(ws.out / target.name))[:16]}"):
        if artifact := up_to_date(target.name, plan, ws):
            with ws.log.step(f"Building {target.name}") as step:
                step.cached()
            return artifact
        recipe, lock = target.toolchain, target.toolchain_lock
        toolchain = provide_toolchain(target.row.toolchain, recipe, lock, target.arch, ws=ws, run=run)
        with ws.scratch(target.name) as scratch:
            job = Job(target, toolchain, scratch, ws, run)
            artifact = package(job, stage_core(job), plan)
            replace_folder(scratch / "out", ws.out / target.name)
    return artifact


def plan_digest(target: TargetSpec, ws: Workspace) -> str:
    """Digest of everything that decides the artifact: the spec, the sources and the driver itself."""
    return digest_of(
        {
            "spec": msgspec.to_builtins(target),
            "core": digest_tree(ws.core_source, only=(*CORE_SOURCES, *_BINDINGS)),
            "driver": digest_tree(_DRIVER, only=("**/*.py", "**/*.lock")),
            "date": source_date(),
            "deps": deps_digest(ws),
        }
    )


def stage_core(job: Job) -> Staged:
    """The core compiled, and its runtime laid out and audited."""
    target, ws, run = job.target, job.ws, job.run
    deps = provide_deps(job.toolchain, target.library_sources, core_only=target.core_only, ws=ws, run=run)
    core = provide_core(job.toolchain, deps, core_only=target.core_only, ws=ws, run=run)
    tree, debug = job.scratch / "stage", job.scratch / "debug"
    needs = stage_runtime(tree, core, deps, target.runtimes, target.arch, ws=ws)
    with ws.log.step(f"Splitting debug information of {target.name}"):
        split_debug(tree, debug, job.toolchain, keep=needs, run=run)
    gate(job, target.name, read_elves(tree), needs)
    if not target.core_only:
        whole = job.scratch / "whole"  # the tests as they will lie on a box: over the runtime
        shutil.copytree(tree, whole)
        shutil.copytree(core.tests, whole, dirs_exist_ok=True)
        gate(job, f"{target.name}'s tests", read_elves(whole), needs)
    return Staged(tree, debug, needs, core, deps)


def package(job: Job, staged: Staged, plan: str) -> Artifact:
    """Every product of the row into scratch/out."""
    target, version, out = job.target, core_version(job.ws.core_source), job.scratch / "out"
    stem = f"{_NAME}-{version}-{target.name}"
    out.mkdir()
    wheels = [package_wheel(job, staged, python) for python in target.row.python]
    products = [
        write_product(job, "tarball", staged.tree, stem),
        write_product(job, "debug", staged.debug, stem, suffix="-debug"),
        *([] if target.core_only else [write_product(job, "tests", staged.core.tests, stem, suffix="-tests")]),
        *(product_of("wheel", wheel) for wheel in wheels),
    ]
    artifact = Artifact(
        name=_NAME,
        version=version,
        target=target.name,
        arch=target.arch.name,
        plan=plan,
        products=tuple(products),
        abi={elf.name: highest_versions(elf) for elf in read_elves(staged.tree)},
        made_from={"toolchain": job.toolchain.digest, "core": staged.core.digest, "libraries": staged.deps.name},
        core_only=target.core_only,
    )
    save_artifact(artifact, out)
    return artifact


def package_wheel(job: Job, staged: Staged, python: PythonSpec) -> Path:
    """The wheel for one Python in scratch/out, carrying the staged libraries in one flat folder, audited.

    Its debug information joins the row's. Kept by content, because it takes half a minute.
    """
    recipe, lock = job.target.sysroots[python.headers]
    makers = digest_tree(_DRIVER, only=_WHEEL_MAKERS)
    bindings = digest_tree(job.ws.core_source, only=_BINDINGS)
    made_from = [staged.core.digest, staged.deps.name, digest_tree(staged.tree), sysroot_digest(recipe, lock)]
    key = digest_of([made_from, msgspec.to_builtins(python), makers, bindings, source_date()])
    place = job.ws.provide(
        "wheels",
        f"{job.target.name}-{python.tag}",
        key,
        lambda product: make_wheel(job, staged, python, product),
        f"Providing the wheel for Python {python.version}",
    )
    shutil.copytree(place / "debug", staged.debug, dirs_exist_ok=True)
    (kept,) = place.glob("*.whl")
    wheel = Path(shutil.copy2(kept, job.scratch / "out"))
    unpack_wheel(wheel, job.scratch / wheel.stem)
    inside = {f"{_NAME}/lib/{Path(name).name}": versions for name, versions in staged.needs.items()}
    gate(job, wheel.name, read_elves(job.scratch / wheel.stem), inside)
    return wheel


def make_wheel(job: Job, staged: Staged, python: PythonSpec, product: Path) -> None:
    """The wheel and debug/ of its module, in `product`."""
    recipe, lock = job.target.sysroots[python.headers]
    headers = provide_sysroot(python.headers, recipe, lock, ws=job.ws)
    runtime_dir = product / "runtime"
    for folder in (staged.tree / "lib", staged.tree / MODULES):
        shutil.copytree(folder, runtime_dir, ignore=shutil.ignore_patterns(MODULES.name), dirs_exist_ok=True)
    shutil.copytree(staged.tree / LICENCES, runtime_dir / LICENCES.name)
    toolchain_file = product / "toolchain.cmake"
    toolchain_file.write_text(
        render_toolchain_file(
            job.toolchain,
            prefixes=(staged.core.sdk, staged.deps),
            prefix_map={product: "wheel", job.ws.cache: "cache"},
            soabi=soabi(python, job.target.arch),
        )
    )
    build_wheel(
        staged.core,
        python,
        headers,
        job.toolchain,
        runtime_dir,
        product,
        toolchain_file=toolchain_file,
        defines=library_variables(staged.deps),
        debug=product / "debug",
        ws=job.ws,
        run=job.run,
    )
    shutil.rmtree(runtime_dir)
    toolchain_file.unlink()


def gate(job: Job, title: str, elves: tuple[ElfFacts, ...], needs: Needs) -> None:
    """Nothing leaves with a finding. Raises AuditError."""
    with job.ws.log.step(f"Auditing {title} against contract {job.target.row.contract}"):
        if findings := audit(elves, job.target.contract, floor=job.toolchain.floor, needs=needs):
            raise AuditError(render_findings(findings), "`edgebuild targets show` prints what the box provides.")


def write_product(job: Job, kind: str, tree: Path, stem: str, *, suffix: str = "") -> Product:
    """An archive of a tree in scratch/out. The tests unpack over the runtime, so they have its top folder."""
    path = job.scratch / "out" / f"{stem}{suffix}.tar.gz"
    with job.ws.log.step(f"Writing {path.name}"):
        write_tarball(tree, path, top=stem if kind == "tests" else f"{stem}{suffix}")
    return product_of(kind, path)
