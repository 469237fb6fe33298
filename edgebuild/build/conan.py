"""Third-party libraries through Conan, the core's and those of a user's project: cross-built once per toolchain.

Conan alone takes a second to say that nothing is to do, so it is started only when the product is missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgebuild.build import cmake
from edgebuild.build.conan_profile import write_settings
from edgebuild.digest import digest_of, digest_tree
from edgebuild.errors import BuildError, ConfigError, NotAvailable
from edgebuild.fetch import cached_path, fetch, fetch_all
from edgebuild.log import Step
from edgebuild.model.product import Toolchain
from edgebuild.model.recipe import Download
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner
from edgebuild.workspace import Workspace

_INDEX = "edgecore"  # the remote that is our own recipes folder

# How Conan says that conan.lock and the recipes differ: the version, or the content of a recipe.
_LOCK_MISMATCH = ("not in lockfile", "A specific revision")
_NO_RECIPE = "Unable to find '"
_NO_ANSWER = "Unable to connect to remote"
_GENERATORS = "conan"  # what a conanfile's generators wrote, below a prefix


@dataclass(frozen=True)
class Asked:
    """Which libraries: all that a conanfile (.py or .txt) asks for, or just some references.

    name: the project whose conanfile it is.
    """

    name: str
    conanfile: Path
    references: tuple[str, ...] = ()

    @property
    def lock(self) -> Path | None:
        lock = self.conanfile.with_name("conan.lock")
        return lock if lock.is_file() else None


def deps_digest(ws: Workspace) -> str:
    """Everything but the toolchain that decides the core's libraries: recipes, what the core asks for, lock."""
    return digest_tree(ws.core_source, only=("conanfile.py", "conan.lock", "recipes/**/*"))


def provide_deps(
    toolchain: Toolchain, sources: tuple[Download, ...], *, core_only: bool = False, ws: Workspace, run: Runner
) -> Path:
    """One relocatable prefix (include/, lib/, licenses/NAME/) with all of the core's libraries, for CMAKE_PREFIX_PATH.

    sources: recipes/sources.yaml, where each library's source comes from. core_only: just the libraries whose
    source needs no distribution, on a machine without one.
    Raises NotAvailable (a source is missing), ConfigError (the lock does not match), BuildError.
    """
    wanted = portable_sources(sources) if core_only else sources
    locked = json.loads((ws.core_source / "conan.lock").read_text())["requires"]
    references = references_of(wanted, locked) if core_only else ()
    asked = Asked("edgecore", ws.core_source / "conanfile.py", references)
    key = digest_of([deps_digest(ws), toolchain.digest, toolchain.floor, toolchain.arch.name, core_only])
    return _provide(f"libraries-{toolchain.label}", key, asked, wanted, toolchain, ws=ws, run=run)


def provide_project_deps(
    name: str, conanfile: Path, toolchain: Toolchain, sources: tuple[Download, ...], *, ws: Workspace, run: Runner
) -> Path:
    """The same for a user's project: our recipes first, Conan Center for what has none there.

    sources: as in provide_deps; only those of libraries that the conanfile or its lock names are fetched.
    """
    asked = Asked(name, conanfile)
    texts = [path.read_text(errors="replace") for path in (asked.conanfile, asked.lock) if path]
    wanted = sources_of(texts, sources, ws.core_source / "recipes")
    key = digest_of([deps_digest(ws), toolchain.digest, toolchain.floor, toolchain.arch.name, conanfile.suffix, texts])
    return _provide(f"libraries-{name}-{toolchain.label}", key, asked, wanted, toolchain, ws=ws, run=run)


def prefixes_of(deps: Path) -> tuple[Path, ...]:
    """Folders for CMAKE_PREFIX_PATH: what CMakeDeps wrote, where a conanfile asks for it, before the libraries."""
    written = {path.parent for path in (deps / _GENERATORS).rglob("*onfig.cmake")}
    return (*sorted(written), deps)


def _provide(
    name: str,
    key: str,
    asked: Asked,
    sources: tuple[Download, ...],
    toolchain: Toolchain,
    *,
    ws: Workspace,
    run: Runner,
) -> Path:
    def make(product: Path) -> None:
        if any(source.file.startswith("ffmpeg") for source in sources):
            _require_make()
        # A home per set of recipes: in a shared one the lock could pick a recipe that has since been edited.
        home = ws.cache / "conan" / deps_digest(ws)[:16]
        with ws.lock("conan"):  # Conan's cache takes one writer at a time
            _prefill_sources(home / "sources" / "s", sources, ws=ws)
            write_settings(home, toolchain)
            log_file = ws.log_file(f"{name}-{key[:8]}")
            _install(asked, toolchain.arch.name, product, home=home, log_file=log_file, ws=ws, run=run)

    title = f"Building the third-party libraries of {asked.name} for {toolchain.label} (minutes, once)"
    return ws.provide("deps", name, key, make, title)


def sources_of(texts: list[str], sources: tuple[Download, ...], recipes: Path) -> tuple[Download, ...]:
    """Those of recipes that a conanfile or lock names ("libjpeg-turbo/2.1.5")."""
    data = {path.parts[-3]: path.read_text() for path in recipes.glob("*/all/conandata.yml")}
    named = [name for name in data if any(re.search(rf"(?<![\w.+-]){re.escape(name)}/", text) for text in texts)]
    return tuple(source for source in sources if any(source.sha256 in data[name] for name in named))


def portable_sources(sources: tuple[Download, ...]) -> tuple[Download, ...]:
    """Those that come from the Python package index rather than from a distribution."""
    return tuple(source for source in sources if source.pypi)


def references_of(sources: tuple[Download, ...], locked: list[str]) -> tuple[str, ...]:
    """Conan references ("rapidyaml/0.15.2") of the libraries that have these sources. locked: conan.lock's requires."""
    projects = {source.pypi for source in sources}
    references = (reference.partition("#")[0] for reference in locked)
    return tuple(reference for reference in references if reference.partition("/")[0] in projects)


def _install(
    asked: Asked, profile: str, product: Path, *, home: Path, log_file: Path, ws: Workspace, run: Runner
) -> None:
    """`conan install` of what is asked for into product, from our own recipes alone if they suffice.

    A remote that is asked must answer: Conan ends with an error when Conan Center is out of reach.
    """
    environment = _environment(home)
    generators = product / _GENERATORS
    # Build trees are ten times the libraries; those of a failure stay, to be looked into.
    clean = Command(cmake.tool("conan"), "cache", "clean", "*", "--build", env=environment)
    run(_index_command(ws.core_source, environment), log_file=log_file)
    if not asked.lock:
        renew = _lock_command(asked, profile, home)
        ws.log.note(f"{asked.conanfile}: no conan.lock beside it, so library versions are not pinned: `{renew}`")
    try:
        ours, all_remotes = (f"--remote={_INDEX}",), ()
        for remotes in (ours, all_remotes):
            install = install_command(asked, profile, remotes, product, generators, ws.core_source, environment)
            try:
                run(install, log_file=log_file)
                break
            except BuildError as err:
                said = log_file.read_text(errors="replace")
                if _NO_RECIPE not in said or (remotes == all_remotes and _NO_ANSWER not in said):
                    raise
                if ws.offline or remotes == all_remotes:
                    raise _not_ours(said, offline=ws.offline) from err
        run(clean, log_file=log_file)
    except BuildError as err:
        if not asked.lock or not any(sign in log_file.read_text(errors="replace") for sign in _LOCK_MISMATCH):
            raise
        msg = f"{asked.lock}: no longer matches the recipes and versions that {asked.conanfile.name} asks for"
        hint = f"if the change is wanted, renew it: {_lock_command(asked, profile, home)}"
        raise ConfigError(msg, hint) from err
    if not any(generators.rglob("*onfig.cmake")):
        shutil.rmtree(generators, ignore_errors=True)  # the scripts that Conan writes for a shell


def _index_command(core_source: Path, environment: Mapping[str, str | None]) -> Command:
    return Command(
        cmake.tool("conan"), "remote", "add", _INDEX, core_source,
        "--type=local-recipes-index",
        "--index=0",
        "--force",
        env=environment,
    )  # fmt: skip


def install_command(
    asked: Asked,
    profile: str,
    remotes: tuple[str, ...],
    product: Path,
    generators: Path,
    core_source: Path,
    environment: Mapping[str, str | None],
) -> Command:
    """remotes: arguments that keep Conan to some; none: all that it knows."""
    return Command(
        cmake.tool("conan"), "install",
        *([f"--requires={reference}" for reference in asked.references] or [str(asked.conanfile)]),
        f"--profile:host={profile}",
        # What CMakeDeps writes is for the consumer's build type, and CMake drops what is for another one.
        f"--settings:host=&:build_type={cmake.BUILD_TYPE}",
        # CMakeToolchain would write a file into the user's sources.
        "--conf:host=tools.cmake.cmaketoolchain:user_presets=",
        "--build=missing",
        f"--lockfile={asked.lock or ''}",
        *remotes,
        f"--deployer={core_source / 'recipes' / 'prefix.py'}",
        f"--deployer-folder={product}",
        f"--output-folder={generators}",
        env=environment,
    )  # fmt: skip


def _lock_command(asked: Asked, profile: str, home: Path) -> str:
    """What a person may run to pin, or pin anew."""
    options = f"-pr:h {profile} --remote={_INDEX} --lockfile= --lockfile-out={asked.conanfile.with_name('conan.lock')}"
    return f"CONAN_HOME={home} {cmake.tool('conan')} lock create {asked.conanfile} {options}"


def _not_ours(said: str, *, offline: bool) -> NotAvailable:
    match = re.search(_NO_RECIPE + r"([^']+)'", said)
    problem = "--offline forbids asking Conan Center" if offline else "Conan Center does not answer"
    msg = f"{match[1] if match else 'a library'}: has no recipe of ours, and {problem}"
    return NotAvailable(msg, "run once without --offline." if offline else "check the network and try again.")


def _prefill_sources(folder: Path, downloads: tuple[Download, ...], *, ws: Workspace) -> None:
    """Puts every source where Conan looks for it by sha256.

    Always anew: after a failed download Conan marks an entry `.dirty` and would delete our file.
    """
    with ws.log.step("Providing the libraries' sources") as step:
        paths = fetch_all(downloads, ws=ws, step=step) if ws.offline else [_fetch(each, ws, step) for each in downloads]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, download in zip(paths, downloads, strict=True):
        shutil.copyfile(path, folder / download.sha256)


def _fetch(download: Download, ws: Workspace, step: Step) -> Path:
    """From the mirror; from upstream when the mirror has moved on and upstream has the same bytes."""
    try:
        return fetch(download, ws=ws, step=step)
    except NotAvailable as gone:
        if download.url:
            return fetch(msgspec.structs.replace(download, apt="", pypi=""), ws=ws, step=step)
        hint = f"put a file with sha256 {download.sha256} at {cached_path(download, ws)}."
        raise NotAvailable(gone.message, hint) from gone


def _environment(home: Path) -> dict[str, str | None]:
    """Ours first on PATH: Conan finds the cmake and ninja that it was installed with."""
    environment: dict[str, str | None] = dict(CLEAN_BUILD_ENV)
    environment["CONAN_HOME"] = str(home)
    environment["LC_ALL"] = "C"
    environment["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    return environment


def _require_make() -> None:
    if not shutil.which("make"):
        msg = "make: not found, and FFmpeg is built with it"
        raise NotAvailable(msg, "install GNU make (`apt-get install make`).")
