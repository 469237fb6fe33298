"""From one request to one artifact: the only place where building meets packaging."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgebuild.audit.sdk import Shipping
from edgebuild.build.cmake import render_toolchain_file
from edgebuild.build.conan import deps_digest, provide_deps
from edgebuild.build.core import library_variables, provide_core
from edgebuild.build.core_sources import sources_digest
from edgebuild.build.image_base import provide_image_base
from edgebuild.build.project import provide_project, source_digest
from edgebuild.build.runtime import LICENCES, MODULES, stage_runtime
from edgebuild.build.sdk import needs_of_bundled, sdk_digest
from edgebuild.build.sysroot import provide_sysroot, sysroot_digest
from edgebuild.build.toolchain import provide_toolchain
from edgebuild.commands.artifact import product_of, replace_folder, save_artifact, up_to_date
from edgebuild.commands.gate import gate
from edgebuild.digest import digest_of, digest_tree
from edgebuild.elf import highest_versions, read_elves
from edgebuild.model.product import Artifact, CoreTree, Product, Toolchain
from edgebuild.model.project import Format, Project
from edgebuild.model.sdk import Sdk
from edgebuild.model.target import ImageSpec, PythonSpec, TargetSpec
from edgebuild.package.debug import drop_debug, split_debug
from edgebuild.package.oci import image_command, write_image
from edgebuild.package.tarball import source_date, write_tarball
from edgebuild.package.wheel import build_wheel
from edgebuild.package.wheel_tag import soabi
from edgebuild.run import Runner
from edgebuild.workspace import Workspace

_DRIVER = Path(__file__).resolve().parent.parent
_BINDINGS = ("python/**/*", "pyproject.toml")  # what a wheel is made from beside the installed core
# The part of the driver that decides a wheel's bytes: an edit elsewhere must not rebuild every wheel.
_WHEEL_MAKERS = (
    "package/*.py",
    "package/*.lock",
    "build/cmake.py",
    "build/runtime.py",
    "elf/reader.py",
    "elf/dynamic.py",
    "unpack.py",
)

Needs = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Request:
    """What is asked for: one project for one row. folder: of edgebuild.yaml.

    sdks: that it is linked against. withheld: every SDK of which nothing may ship.
    """

    target: TargetSpec
    project: Project
    folder: Path
    version: str
    formats: tuple[Format, ...]
    sdks: tuple[Sdk, ...] = ()
    withheld: tuple[Sdk, ...] = ()

    @property
    def stem(self) -> str:
        """What files of this row are called."""
        return f"{self.project.name}-{self.version}-{self.target.name}"


@dataclass(frozen=True)
class Job:
    """A request under way, and what all its stages share."""

    request: Request
    target: TargetSpec
    toolchain: Toolchain
    scratch: Path
    ws: Workspace
    run: Runner


@dataclass(frozen=True)
class Staged:
    """One row's files, before they are packaged.

    tree: what ships. debug: its split debug information. needs: what bundled libraries of others may need above
    our floor.
    """

    tree: Path
    debug: Path
    needs: Needs
    made_from: dict[str, str]


@dataclass(frozen=True)
class StagedCore(Staged):
    """The core has an SDK and tests as well. deps: the libraries it was linked with. tests: what ships of them."""

    core: CoreTree
    deps: Path
    tests: Path | None


def build(request: Request, *, ws: Workspace, run: Runner) -> Artifact:
    """Cross-compile a project for one target and prove that the box can load it."""
    target = request.target
    plan = plan_digest(request, ws=ws, run=run)
    with ws.lock(f"out-{digest_of(str(ws.out / target.name))[:16]}"):
        if artifact := up_to_date(target.name, plan, ws):
            with ws.log.step(f"Building {target.name}") as step:
                step.cached()
            return artifact
        toolchain = provide_toolchain(target.toolchain, target.arch, ws=ws, run=run)
        with ws.scratch(target.name) as scratch:
            job = Job(request, target, toolchain, scratch, ws, run)
            staged = stage_core(job) if is_core(request, ws) else stage_project(job)
            artifact = package(job, staged, plan)
            replace_folder(scratch / "out", ws.out / target.name)
    return artifact


def is_core(request: Request, ws: Workspace) -> bool:
    """The core has backends, tests and bindings, which other projects have not."""
    return request.folder == ws.core_source


def plan_digest(request: Request, *, ws: Workspace, run: Runner) -> str:
    """Digest of everything that decides the artifact: the spec, the sources and the driver itself."""
    if is_core(request, ws):
        source = sources_digest(ws.core_source, _BINDINGS)
    else:
        source = source_digest(request.project, request.folder, ws=ws, run=run)
    return digest_of(
        {
            "spec": msgspec.to_builtins(msgspec.structs.replace(request.target, symbols={})),
            "symbols": {library: sorted(names) for library, names in request.target.symbols.items()},
            "project": [msgspec.to_builtins(request.project), request.version, request.formats],
            "source": source,
            "sdks": [[sdk_digest(sdk), sdk.on_box, sdk.recipe.redistributable] for sdk in request.sdks],
            "withheld": [sdk.lock.tree for sdk in request.withheld],
            "driver": digest_tree(_DRIVER, only=("**/*.py", "**/*.lock")),
            "date": source_date(),
            "deps": deps_digest(ws),
        }
    )


def stage_core(job: Job) -> StagedCore:
    """The core compiled, and its runtime laid out and audited."""
    target, ws, run = job.target, job.ws, job.run
    deps = provide_deps(job.toolchain, target.library_sources, core_only=target.core_only, ws=ws, run=run)
    core = provide_core(job.toolchain, deps, core_only=target.core_only, tools=target.tools, ws=ws, run=run)
    tree, debug = job.scratch / "stage", job.scratch / "debug"
    needs = stage_runtime(tree, core, deps, target.runtimes, target.arch, ws=ws)
    split_and_gate(job, tree, debug, needs)
    tests = None if target.core_only else provide_tests(job, core)
    if tests:
        whole = job.scratch / "whole"  # the tests as they will lie on a box: over the runtime
        shutil.copytree(tree, whole)
        shutil.copytree(tests, whole, dirs_exist_ok=True)
        gate_product(job, f"{target.name}'s tests", whole, needs)
    made_from = {"toolchain": job.toolchain.digest, "core": core.digest, "libraries": deps.name}
    return StagedCore(tree, debug, needs, made_from, core, deps, tests)


def provide_tests(job: Job, core: CoreTree) -> Path:
    """The core's tests as they ship, once for all rows: nine tenths of them are debug information, which is of use only
    beside the sources.
    """

    def make(product: Path) -> None:
        shutil.copytree(core.tests, product, dirs_exist_ok=True)
        drop_debug(product, job.toolchain, run=job.run)

    label = job.toolchain.label
    return job.ws.provide("tests", f"tests-{label}", core.digest, make, f"Stripping the core's tests for {label}")


def stage_project(job: Job) -> Staged:
    """A user's own project compiled, with the libraries it needs beside it, audited."""
    request = job.request
    built = provide_project(
        request.project, request.folder, job.target, job.toolchain, request.sdks, ws=job.ws, run=job.run
    )
    tree, debug = job.scratch / "stage", job.scratch / "debug"
    shutil.copytree(built, tree, symlinks=True)
    needs = needs_of_bundled(tree, request.sdks)
    split_and_gate(job, tree, debug, needs)
    made_from = {"toolchain": job.toolchain.digest, "project": built.name}
    return Staged(tree, debug, needs, made_from | {f"sdk {sdk.name}": sdk.lock.tree for sdk in request.sdks})


def split_and_gate(job: Job, tree: Path, debug: Path, needs: Needs) -> None:
    with job.ws.log.step(f"Splitting debug information of {job.target.name}"):
        split_debug(tree, debug, job.toolchain, keep=needs, run=job.run)
    gate_product(job, job.target.name, tree, needs)


def package(job: Job, staged: Staged, plan: str) -> Artifact:
    """Every product of the row into scratch/out."""
    request, target, out = job.request, job.target, job.scratch / "out"
    out.mkdir()
    products = []
    if "tarball" in request.formats:
        products.append(write_product(job, "tarball", staged.tree, request.stem))
    if "image" in request.formats and target.image:
        products.append(package_image(job, staged, target.image))
    if isinstance(staged, StagedCore):
        wheels = [package_wheel(job, staged, python) for python in target.pythons]
        if staged.tests:
            products.append(write_product(job, "tests", staged.tests, request.stem, suffix="-tests"))
        products += [product_of("wheel", wheel) for wheel in wheels]
    products.append(write_product(job, "debug", staged.debug, request.stem, suffix="-debug"))
    artifact = Artifact(
        name=request.project.name,
        version=request.version,
        target=target.name,
        arch=target.arch.name,
        plan=plan,
        products=tuple(products),
        abi={elf.name: highest_versions(elf) for elf in read_elves(staged.tree)},
        made_from=staged.made_from,
        core_only=target.core_only,
    )
    save_artifact(artifact, out)
    return artifact


def package_image(job: Job, staged: Staged, spec: ImageSpec) -> Product:
    """The image in scratch/out: the row's base and the staged tree, everything it needs found inside it."""
    request, target, ws = job.request, job.target, job.ws
    path = job.scratch / "out" / f"{request.stem}.image.tar"
    base = provide_image_base(spec.name, spec.recipe, target.arch.name, spec.lock, ws=ws)
    with ws.log.step(f"Writing {path.name}"):
        facts = write_image(
            base,
            staged.tree,
            path,
            name=request.project.name,
            version=request.version,
            target=target.name,
            command=image_command(request.project.run),
            ws=ws,
        )
    gate_product(job, path.name, path, {}, ours_alone=False)
    return msgspec.structs.replace(product_of("image", path), image=facts.reference, image_id=facts.image_id)


def package_wheel(job: Job, staged: StagedCore, python: PythonSpec) -> Path:
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
    inside = {f"edgecore/lib/{Path(name).name}": versions for name, versions in staged.needs.items()}
    gate_product(job, wheel.name, wheel, inside)
    return wheel


def make_wheel(job: Job, staged: StagedCore, python: PythonSpec, product: Path) -> None:
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


def gate_product(job: Job, title: str, path: Path, needs: Needs, *, ours_alone: bool = True) -> None:
    """ours_alone: no distribution's files are in it, so that the toolchain's floor holds."""
    gate(
        path,
        title,
        job.target,
        floor=job.toolchain.floor if ours_alone else "",
        static_runtime=job.toolchain.static_runtime,
        needs=needs,
        waivers=job.request.project.waivers,
        shipping=Shipping(linked=job.request.sdks, withheld=job.request.withheld),
        ws=job.ws,
        run=job.run,
    )


def write_product(job: Job, kind: str, tree: Path, stem: str, *, suffix: str = "") -> Product:
    """An archive of a tree in scratch/out. The tests unpack over the runtime, so they have its top folder."""
    path = job.scratch / "out" / f"{stem}{suffix}.tar.gz"
    with job.ws.log.step(f"Writing {path.name}"):
        write_tarball(tree, path, top=stem if kind == "tests" else f"{stem}{suffix}")
    return product_of(kind, path)
