"""A toolchain's wheels: which of the index's files, their sha256 for a lock, and all of them in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from edgebuild.digest import digest_of
from edgebuild.errors import NotAvailable
from edgebuild.fetch import fetch_all, pypi_download, pypi_files
from edgebuild.model.arch import ARCHES, Arch, host_arch
from edgebuild.model.recipe import Download, ToolchainLock
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace

_FOLDER = "zig"  # equal wheels are unpacked once, whichever toolchains name them


def lock_wheels(projects: Mapping[str, str], recipe_digest: str, *, ws: Workspace) -> ToolchainLock:
    """Wheels with the sha256 that the index states, for every build machine that all exist for.

    projects: name -> version. Raises NotAvailable.
    """
    if ws.offline:
        msg = "the wheels of a toolchain cannot be looked up: --offline forbids asking the index"
        raise NotAvailable(msg, "run without --offline.")
    indexes = {project: tuple(pypi_files(project)) for project in projects}
    wheels = {}
    for arch in ARCHES.values():
        files = {project: choose_wheel(indexes[project], version, arch) for project, version in projects.items()}
        if all(files.values()):
            wheels[arch.name] = tuple(pypi_download(project, file) for project, file in files.items())
    if not wheels:
        wanted = ", ".join(f"{project} {version}" for project, version in projects.items())
        msg = f"the Python package index has no wheels for any build machine of: {wanted}"
        raise NotAvailable(msg, "check the versions and pip's index-url.")
    return ToolchainLock(recipe=recipe_digest, wheels=wheels)


def choose_wheel(files: tuple[str, ...], version: str, arch: Arch) -> str:
    """The wheel of a version that runs on Linux of an architecture; "" when there is none."""
    for file in sorted(files):
        try:
            _, found, _, tags = parse_wheel_filename(file)
        except InvalidWheelFilename:
            continue
        platforms = {tag.platform for tag in tags}
        if found == Version(version) and any(p.startswith("manylinux") and p.endswith(arch.name) for p in platforms):
            return file
    return ""


def provide_tools(name: str, lock: ToolchainLock, *, ws: Workspace) -> tuple[Path, str]:
    """The toolchain's wheels for this machine in one folder, and their digest. Raises NotAvailable."""
    wheels = _wheels_for(host_arch(), name, lock)
    wheels_digest = digest_of([wheel.sha256 for wheel in wheels])

    def make(product: Path) -> None:
        with ws.log.step(f"Fetching {len(wheels)} wheels of {name}") as step:
            files = fetch_all(wheels, ws=ws, step=step)
        for file in files:
            unpack_wheel(file, product)

    return ws.provide("toolchains", _FOLDER, wheels_digest, make, f"Unpacking toolchain {name}"), wheels_digest


def _wheels_for(machine: Arch, name: str, lock: ToolchainLock) -> tuple[Download, ...]:
    if machine.name not in lock.wheels:
        built = ", ".join(lock.wheels)
        msg = f"toolchain '{name}' does not run on this {machine.name} machine; its wheels are for {built}"
        raise NotAvailable(msg, "build on one of those; the result runs on every target all the same.")
    return lock.wheels[machine.name]
