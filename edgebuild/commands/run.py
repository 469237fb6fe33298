"""edgebuild run: a program of the artifact that would ship, natively or as the box's CPU under emulation."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edgebuild.build.emulate import beyond_box, emulated_command, emulated_python
from edgebuild.build.sdk import provide_sdk
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.commands.artifact import load_artifact, verify_product
from edgebuild.commands.context import Context, current_project, target_option
from edgebuild.commands.run_image import parse_mount, run_image
from edgebuild.config.sdk import sdks_for
from edgebuild.config.targets import load_sysroot, load_target, resolve_names
from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.arch import host_arch
from edgebuild.model.product import Artifact, Sysroot
from edgebuild.model.target import TargetSpec
from edgebuild.run import Command, stream
from edgebuild.unpack import unpack_tar, unpack_wheel
from edgebuild.workspace import Workspace


@click.command("run", context_settings={"ignore_unknown_options": True})
@target_option
@click.option("--root", "root_name", metavar="SYSROOT", help="Userland to run in (default: the row's first root).")
@click.option("--tests", is_flag=True, help="Lay the contract suite and unit tests into the artifact's bin/.")
@click.option("--python-path", multiple=True, type=click.Path(path_type=Path), help="More folders for Python's path.")
@click.option("--image", is_flag=True, help="The image, in a container engine, as on a box: read-only and not as root.")
@click.option("--mount", "mounts", multiple=True, metavar="HOST:CONTAINER[:ro]", help="With --image: show it there.")
@click.option("--timeout", "timeout_s", type=float, default=3600.0, show_default=True, help="Seconds.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(
    ctx: Context,
    target: str,
    root_name: str | None,
    tests: bool,
    python_path: tuple[Path, ...],
    image: bool,
    mounts: tuple[str, ...],
    timeout_s: float,
    argv: tuple[str, ...],
) -> None:
    """Run a program of a built artifact: `edgebuild run --target T -- bin/edgecore run pipeline.yaml`.

    A first word such as `python3.9` runs the userland's Python with the row's wheel importable.
    With --image and no words, the image's own command line: `edgebuild run --image -t T --mount ./data:/state`.
    The exit code is the program's own.
    """
    if image and (root_name or tests or python_path):
        msg = "--image brings its own userland: --root, --tests and --python-path do not go with it"
        raise ConfigError(msg)
    if not image and (mounts or not argv):
        msg = "--mount goes with --image only" if mounts else "say which program to run"
        raise ConfigError(msg, "`edgebuild run --target T -- bin/PROGRAM`, or --image for the image's own.")
    names = resolve_names(target)
    if len(names) != 1:
        msg = f"--target: '{target}' means {len(names)} rows; run takes one"
        raise ConfigError(msg)
    spec = load_target(names[0], ctx.ws)
    artifact = load_artifact(spec.name, ctx.ws)
    if image:
        places = [parse_mount(each) for each in mounts]
        click.get_current_context().exit(run_image(spec, artifact, argv, places, timeout_s=timeout_s, ws=ctx.ws))
    root = provide_root(spec, root_name, ctx)
    if more := beyond_box(spec.contract.cpu, spec.arch):
        cpu = spec.contract.cpu.emulated_as
        ctx.ws.log.note(
            f"the emulator's {cpu} also has {', '.join(more)}, which the box lacks: only the audit finds its use"
        )
    if argv[0].startswith("python"):
        shell = python_command(spec, artifact, root, argv, python_path, timeout_s, ctx.ws)
    else:
        tree = unpacked(artifact, ("tarball", "tests") if tests else ("tarball",), ctx.ws)
        shell = program_command(spec, root, tree, argv, timeout_s, ctx.ws, sdks_of_box(spec, ctx.ws))
    click.get_current_context().exit(stream(shell))


def provide_root(spec: TargetSpec, wish: str | None, ctx: Context) -> Sysroot | None:
    """The userland to run in; none on a machine of the target's own architecture."""
    name = wish or next(iter(spec.row.roots), None)
    if name is None:
        if spec.arch == host_arch():
            return None
        msg = f"target '{spec.name}' names no root to run in"
        raise ConfigError(msg, "give one with --root.")
    recipe, lock = load_sysroot(name, ctx.ws)
    if recipe.arch != spec.arch.name:
        msg = f"--root: '{name}' is for {recipe.arch}, but target '{spec.name}' is {spec.arch.name}"
        raise ConfigError(msg)
    return provide_sysroot(name, recipe, lock, ws=ctx.ws)


def unpacked(artifact: Artifact, kinds: tuple[str, ...], ws: Workspace) -> Path:
    """The archives as they would lie on the box, one over the other; made once per content."""
    products = [product for product in artifact.products if product.kind in kinds]
    if missing := [kind for kind in kinds if kind not in {product.kind for product in products}]:
        build = f"edgebuild build --target {artifact.target}"
        hints = {"tarball": f"`{build} --format tarball` makes it.", "tests": f"`{build}` of the core makes them."}
        msg = f"the artifact of '{artifact.target}' has no {missing[0]}"
        raise NotAvailable(msg, hints[missing[0]])
    key = "".join(product.sha256[:16] for product in products)

    def make(folder: Path) -> None:
        for product in products:
            verify_product(product, ws.out / artifact.target)
            unpack_tar(ws.out / artifact.target / product.path, folder, strip=1)

    return ws.provide("unpacked", f"{artifact.name}-{artifact.target}", digest_of(key), make, "Unpacking the artifact")


def program_command(
    spec: TargetSpec,
    root: Sysroot | None,
    tree: Path,
    argv: tuple[str, ...],
    timeout_s: float,
    ws: Workspace,
    libraries: tuple[Path, ...] = (),
) -> Command:
    """argv[0] is looked for in the artifact first, then in the root. libraries: folders that the box's loader knows."""
    inside = tree / argv[0]
    program = str(inside) if not argv[0].startswith("/") and inside.is_file() else argv[0]
    if not Path(program).is_absolute():
        known = ", ".join(sorted(path.name for path in (tree / "bin").glob("*"))) or "nothing"
        msg = f"{argv[0]}: the artifact of '{spec.name}' has no such program"
        raise ConfigError(msg, f"in its bin/: {known}.")
    env = {"LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))} if libraries else None
    return emulated_command(spec.arch, spec.contract, root, (program, *argv[1:]), ws=ws, env=env, timeout_s=timeout_s)


def sdks_of_box(spec: TargetSpec, ws: Workspace) -> tuple[Path, ...]:
    """Library folders of the SDKs that this row's boxes have, as the row or the project says."""
    project, _ = current_project(ws)
    sdks = sdks_for(spec.row.sdk, project.sdk, spec.name, spec.arch.name, ws)
    return tuple(provide_sdk(sdk, ws=ws).libraries for sdk in sdks if sdk.on_box)


def python_command(
    spec: TargetSpec,
    artifact: Artifact,
    root: Sysroot | None,
    argv: tuple[str, ...],
    python_path: tuple[Path, ...],
    timeout_s: float,
    ws: Workspace,
) -> Command:
    """The root's own interpreter with the wheel of its version unpacked on sys.path."""
    version = argv[0].removeprefix("python")
    python = next((each for each in spec.pythons if each.version == version), None)
    if python is None or root is None:
        known = ", ".join(f"python{each.version}" for each in spec.pythons) or "none"
        msg = f"{argv[0]}: target '{spec.name}' has no such Python"
        raise ConfigError(msg, f"it has: {known}.")
    wheels = [each for each in artifact.products if each.kind == "wheel" and f"-{python.tag}-" in each.path]
    if not wheels:
        msg = f"the artifact of '{spec.name}' has no wheel for Python {version}"
        raise NotAvailable(msg, f"`edgebuild build --target {spec.name}` makes it.")
    wheel = wheels[0]

    def make(folder: Path) -> None:
        verify_product(wheel, ws.out / artifact.target)
        unpack_wheel(ws.out / artifact.target / wheel.path, folder)

    site = ws.provide("unpacked", f"{artifact.name}-{python.tag}", wheel.sha256, make, "Unpacking the wheel")
    return emulated_python(
        spec.arch,
        spec.contract,
        root,
        python.version,
        argv[1:],
        path=(site, *(folder.absolute() for folder in python_path)),
        ws=ws,
        timeout_s=timeout_s,
    )
