"""edgebuild build: from sources to an audited artifact in out/ROW/."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from edgebuild.build.audit import audit, render_findings
from edgebuild.build.cmake import render_toolchain_file
from edgebuild.build.conan import deps_digest, provide_deps
from edgebuild.build.core import CORE_SOURCES, core_version, library_variables, provide_core
from edgebuild.build.runtime import LICENCES, MODULES, stage_runtime
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.build.toolchain import provide_toolchain
from edgebuild.commands.context import Context, complete_targets, json_option, print_json
from edgebuild.config.targets import load_target, resolve_names, row_names
from edgebuild.digest import digest_of, digest_tree, sha256_file
from edgebuild.elf import highest_versions, read_elves
from edgebuild.errors import AuditError, ConfigError
from edgebuild.model.elf import ElfFacts
from edgebuild.model.product import Artifact, CoreTree, Product, Toolchain
from edgebuild.model.target import TargetSpec
from edgebuild.package.debug import split_debug
from edgebuild.package.tarball import source_date, write_tarball
from edgebuild.package.wheel import build_wheel
from edgebuild.package.wheel_tag import soabi
from edgebuild.run import Runner
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace, write_atomic

_NAME = "edgecore"
_DRIVER = Path(__file__).resolve().parent.parent


@click.command("build")
@click.option("--target", "-t", metavar="NAME", shell_complete=complete_targets, help="A row, alias or family ('x-*').")
@click.option("--all", "every", is_flag=True, help="Every row.")
@click.option("--core-only", is_flag=True, help="Without FFmpeg, JPEG, wheels and tests: needs no apt.")
@json_option
@click.pass_obj
def command(ctx: Context, target: str | None, every: bool, core_only: bool, as_json: bool) -> None:
    """Cross-compile for a target and prove that the box can load the result."""
    if every == (target is not None):
        msg = "say either --target NAME or --all"
        raise ConfigError(msg, "`edgebuild targets` lists the names.")
    specs = [load_target(name, ctx.ws) for name in (row_names() if every else resolve_names(target or ""))]
    if core_only:
        specs = [without_distribution(spec) for spec in specs]
    artifacts = [build(spec, ws=ctx.ws, run=ctx.run) for spec in specs]
    if as_json:
        print_json({"schema": "edgebuild.build/1", "artifacts": [msgspec.to_builtins(each) for each in artifacts]})
        return
    for artifact in artifacts:
        folder = ctx.ws.out / artifact.target
        for product in artifact.products:
            click.echo(f"{folder / product.path}  {product.size_bytes / 1e6:.1f} MB")


def without_distribution(target: TargetSpec) -> TargetSpec:
    """The row without what comes through a distribution's packages: Python headers, FFmpeg, JPEG, doctest."""
    row = msgspec.structs.replace(target.row, python=())
    return msgspec.structs.replace(target, row=row, core_only=True)


def build(target: TargetSpec, *, ws: Workspace, run: Runner) -> Artifact:
    """Cross-compile the core for one target and prove that the box can load it."""
    plan = plan_digest(target, ws)
    with ws.lock(f"out-{digest_of(str(ws.out / target.name))[:16]}"):
        if artifact := up_to_date(ws.out / target.name, plan):
            with ws.log.step(f"Building {target.name}") as step:
                step.cached()
            return artifact
        toolchain = provide_toolchain(
            target.row.toolchain, target.toolchain, target.toolchain_lock, target.arch, ws=ws, run=run
        )
        deps = provide_deps(toolchain, target.library_sources, core_only=target.core_only, ws=ws, run=run)
        core = provide_core(toolchain, deps, core_only=target.core_only, ws=ws, run=run)
        with ws.scratch(target.name) as scratch:
            artifact = package(target, toolchain, deps, core, plan, scratch=scratch, ws=ws, run=run)
            replace_folder(scratch / "out", ws.out / target.name)
    return artifact


def plan_digest(target: TargetSpec, ws: Workspace) -> str:
    """Digest of everything that decides the artifact: the spec, the sources and the driver itself."""
    return digest_of(
        {
            "spec": msgspec.to_builtins(target),
            "core": digest_tree(ws.core_source, only=(*CORE_SOURCES, "python/**/*", "pyproject.toml")),
            "driver": digest_tree(_DRIVER, only=("**/*.py", "**/*.lock")),
            "date": source_date(),
            "deps": deps_digest(ws),
        }
    )


def up_to_date(folder: Path, plan: str) -> Artifact | None:
    """The artifact that lies there, if it was made from this plan and is still whole."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return None
    try:
        artifact = msgspec.json.decode(manifest.read_bytes(), type=Artifact)
    except msgspec.DecodeError:
        return None
    whole = all(
        (folder / product.path).is_file() and sha256_file(folder / product.path) == product.sha256
        for product in artifact.products
    )
    return artifact if artifact.plan == plan and whole else None


def package(
    target: TargetSpec,
    toolchain: Toolchain,
    deps: Path,
    core: CoreTree,
    plan: str,
    *,
    scratch: Path,
    ws: Workspace,
    run: Runner,
) -> Artifact:
    """Stage, audit, then every product of the row into scratch/out."""
    stem = f"{_NAME}-{core_version(ws.core_source)}-{target.name}"
    stage, debug, out = (scratch / name for name in ("stage", "debug", "out"))
    out.mkdir()
    needs = stage_runtime(stage, core, deps, target.runtimes, target.arch, ws=ws)
    with ws.log.step(f"Splitting debug information of {target.name}"):
        split_debug(stage, debug, toolchain, keep=needs, run=run)
    elves = gate(target.name, read_elves(stage), target, toolchain, needs, ws=ws)
    if not target.core_only:
        whole = scratch / "whole"  # the tests as they will lie on a box: over the runtime
        shutil.copytree(stage, whole)
        shutil.copytree(core.tests, whole, dirs_exist_ok=True)
        gate(f"{target.name}'s tests", read_elves(whole), target, toolchain, needs, ws=ws)
    wheels = package_wheels(target, toolchain, deps, core, stage, debug, scratch, ws=ws, run=run)
    for wheel in wheels:
        tree = scratch / wheel.stem
        unpack_wheel(wheel, tree)
        inside = {f"edgecore/lib/{Path(name).name}": versions for name, versions in needs.items()}
        gate(wheel.name, read_elves(tree), target, toolchain, inside, ws=ws)
    products = (
        write_product("tarball", stage, out / f"{stem}.tar.gz", stem, ws),
        write_product("debug", debug, out / f"{stem}-debug.tar.gz", f"{stem}-debug", ws),
        *([] if target.core_only else [write_product("tests", core.tests, out / f"{stem}-tests.tar.gz", stem, ws)]),
        *(_product("wheel", wheel) for wheel in wheels),
    )
    artifact = Artifact(
        name=_NAME,
        version=core_version(ws.core_source),
        target=target.name,
        arch=target.arch.name,
        plan=plan,
        products=products,
        abi={elf.name: highest_versions(elf) for elf in elves},
        made_from={"toolchain": toolchain.digest, "core": core.digest, "libraries": deps.name},
        core_only=target.core_only,
    )
    write_atomic(out / "manifest.json", msgspec.json.format(msgspec.json.encode(artifact), indent=2) + b"\n")
    return artifact


def package_wheels(
    target: TargetSpec,
    toolchain: Toolchain,
    deps: Path,
    core: CoreTree,
    stage: Path,
    debug: Path,
    scratch: Path,
    *,
    ws: Workspace,
    run: Runner,
) -> list[Path]:
    """One wheel per Python of the row, in scratch/out, each carrying the staged libraries in one flat folder."""
    runtime_dir = scratch / "runtime"
    for folder in (stage / "lib", stage / MODULES):
        shutil.copytree(folder, runtime_dir, ignore=shutil.ignore_patterns(MODULES.name), dirs_exist_ok=True)
    shutil.copytree(stage / LICENCES, runtime_dir / LICENCES.name)
    wheels = []
    for python in target.row.python:
        recipe, lock = target.sysroots[python.headers]
        headers = provide_sysroot(python.headers, recipe, lock, ws=ws)
        toolchain_file = scratch / f"{python.tag}.cmake"
        toolchain_file.write_text(
            render_toolchain_file(
                toolchain,
                prefixes=(core.sdk, deps),
                prefix_map={scratch: "wheel", ws.cache: "cache"},
                soabi=soabi(python, target.arch),
            )
        )
        wheel = build_wheel(
            core,
            python,
            headers,
            toolchain,
            runtime_dir,
            scratch / "out",
            toolchain_file=toolchain_file,
            defines=library_variables(deps),
            debug=debug,
            ws=ws,
            run=run,
        )
        wheels.append(wheel)
    return wheels


def gate(
    title: str,
    elves: tuple[ElfFacts, ...],
    target: TargetSpec,
    toolchain: Toolchain,
    needs: Mapping[str, Mapping[str, str]],
    *,
    ws: Workspace,
) -> tuple[ElfFacts, ...]:
    """Nothing leaves with a finding. Raises AuditError."""
    with ws.log.step(f"Auditing {title} against contract {target.row.contract}"):
        if findings := audit(elves, target.contract, floor=toolchain.floor, needs=needs):
            raise AuditError(render_findings(findings), "`edgebuild targets show` prints what the box provides.")
    return elves


def write_product(kind: str, tree: Path, path: Path, top: str, ws: Workspace) -> Product:
    with ws.log.step(f"Writing {path.name}"):
        write_tarball(tree, path, top=top)
    return _product(kind, path)


def _product(kind: str, path: Path) -> Product:
    return Product(kind=kind, path=path.name, sha256=sha256_file(path), size_bytes=path.stat().st_size)


def replace_folder(fresh: Path, place: Path) -> None:
    """Puts a finished folder in its place; the old one goes only when the new one is beside it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(fresh, beside)
    if place.exists():
        place.rename(old)
    beside.rename(place)
    shutil.rmtree(old, ignore_errors=True)
