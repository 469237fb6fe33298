"""Third-party libraries through Conan: cross-built once per toolchain from the locked recipes in cpp_core/.

Conan alone takes a second to say that nothing is to do, so it is started only when the product is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
from pathlib import Path

import msgspec

from edgebuild.build import cmake
from edgebuild.digest import digest_of, digest_tree
from edgebuild.errors import BuildError, ConfigError, NotAvailable
from edgebuild.fetch import cached_path, fetch, fetch_all
from edgebuild.log import Step
from edgebuild.model.arch import host_arch
from edgebuild.model.product import Toolchain
from edgebuild.model.recipe import Download
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner
from edgebuild.workspace import Workspace, write_atomic

_INDEX = "edgecore"  # the remote that is our own recipes folder

# core.sources:download_cache: Conan takes sources from there by sha256 and never asks the network for them.
# The timeouts are for Conan Center, which may be out of reach.
_GLOBAL_CONF = """\
core:non_interactive=True
core.net.http:timeout=5
core.net.http:max_retries=0
core.sources:download_cache={sources}
"""

# How Conan says that conan.lock and the recipes differ: the version, or the content of a recipe.
_LOCK_MISMATCH = ("not in lockfile", "A specific revision")


def deps_digest(ws: Workspace) -> str:
    """Everything but the toolchain that decides the libraries: recipes, what the core asks for, lock."""
    return digest_tree(ws.core_source, only=("conanfile.py", "conan.lock", "recipes/**/*"))


def provide_deps(
    toolchain: Toolchain, sources: tuple[Download, ...], *, core_only: bool = False, ws: Workspace, run: Runner
) -> Path:
    """One relocatable prefix (include/, lib/, licenses/NAME/) with all libraries, for CMAKE_PREFIX_PATH.

    sources: recipes/sources.yaml, where each library's source comes from. core_only: just the libraries whose
    source needs no distribution, on a machine without one.
    Raises NotAvailable (a source is missing), ConfigError (the lock does not match), BuildError.
    """
    wanted = portable_sources(sources) if core_only else sources
    key = digest_of([deps_digest(ws), toolchain.digest, toolchain.floor, toolchain.arch.name, core_only])
    name = f"libraries-{toolchain.arch.name}"
    locked = json.loads((ws.core_source / "conan.lock").read_text())["requires"]
    requires = references_of(wanted, locked) if core_only else ()

    def make(product: Path) -> None:
        if not core_only:
            _require_make()
        # A home per set of recipes: in a shared one the lock could pick a recipe that has since been edited.
        home = ws.cache / "conan" / deps_digest(ws)[:16]
        with ws.lock("conan"):  # Conan's cache takes one writer at a time
            _prefill_sources(home / "sources" / "s", wanted, ws=ws)
            _write_settings(home, toolchain)
            with ws.scratch("conan") as scratch:
                log_file = ws.log_file(f"{name}-{key[:8]}")
                profile = toolchain.arch.name
                _install(profile, requires, product, home=home, scratch=scratch, log_file=log_file, ws=ws, run=run)

    title = f"Building the third-party libraries for {toolchain.arch.name} (minutes, once)"
    return ws.provide("deps", name, key, make, title)


def portable_sources(sources: tuple[Download, ...]) -> tuple[Download, ...]:
    """Those that come from the Python package index rather than from a distribution."""
    return tuple(source for source in sources if source.pypi)


def references_of(sources: tuple[Download, ...], locked: list[str]) -> tuple[str, ...]:
    """Conan references ("rapidyaml/0.15.2") of the libraries that have these sources. locked: conan.lock's requires."""
    projects = {source.pypi for source in sources}
    references = (reference.partition("#")[0] for reference in locked)
    return tuple(reference for reference in references if reference.partition("/")[0] in projects)


def render_profile(toolchain: Toolchain, toolchain_file: Path) -> str:
    """Conan's host profile.

    By default neither toolchain nor floor would change a package id, so both are named in it. The compiler
    version is the newest that Conan's settings know; the digest says which compiler it really is.
    """
    compilers = json.dumps({"c": str(toolchain.cc), "cpp": str(toolchain.cxx)})
    c_flags, link_flags = json.dumps(toolchain.c_flags), json.dumps(toolchain.link_flags)
    return f"""\
[settings]
os=Linux
arch={toolchain.arch.conan}
build_type=Release
compiler=clang
compiler.version=20
compiler.libcxx=libc++
compiler.cppstd=17
[conf]
tools.build:compiler_executables={compilers}
tools.build:cflags={c_flags}
tools.build:cxxflags={c_flags}
tools.build:sharedlinkflags={link_flags}
tools.build:exelinkflags={link_flags}
tools.cmake.cmaketoolchain:user_toolchain={json.dumps([str(toolchain_file)])}
tools.cmake.cmaketoolchain:generator=Ninja
tools.info.package_id:confs=["user.edgebuild:.*"]
user.edgebuild:toolchain={toolchain.digest}
user.edgebuild:floor={toolchain.floor}
[buildenv]
AR={toolchain.ar}
RANLIB={toolchain.ranlib}
NM={toolchain.nm}
STRIP={toolchain.strip}
"""


def render_build_profile(toolchain: Toolchain) -> str:
    """Conan's build profile: the machine we are on, whose compiler makes code generators."""
    compilers = json.dumps({"c": str(toolchain.host_cc), "cpp": str(toolchain.host_cxx)})
    return f"""\
[settings]
os=Linux
arch={host_arch().conan}
[conf]
tools.build:compiler_executables={compilers}
"""


def remotes_to_ask(lock: str, recipes: Path) -> tuple[str, ...]:
    """Arguments that keep Conan to our own index unless the lock names a library that has no recipe there.

    A remote that is asked must answer: Conan ends with an error when Conan Center is out of reach.
    """
    locked = {reference.partition("/")[0] for reference in json.loads(lock)["requires"]}
    ours = {path.parent.name for path in recipes.glob("*/config.yml")}
    return () if locked - ours else (f"--remote={_INDEX}",)


def _write_settings(home: Path, toolchain: Toolchain) -> None:
    """Conan's own configuration. It stays, so that a failure can be looked into by hand (CONAN_HOME=… conan …)."""
    profiles = home / "profiles"
    # Flags travel in the profile, which recipes without CMake read too.
    flagless = msgspec.structs.replace(toolchain, c_flags=(), link_flags=())
    toolchain_file = profiles / f"{toolchain.arch.name}.cmake"
    write_atomic(toolchain_file, cmake.render_toolchain_file(flagless, prefixes=(), prefix_map={}))
    write_atomic(profiles / toolchain.arch.name, render_profile(toolchain, toolchain_file))
    write_atomic(profiles / "default", render_build_profile(toolchain))
    write_atomic(home / "global.conf", _GLOBAL_CONF.format(sources=home / "sources"))


def _install(
    profile: str,
    requires: tuple[str, ...],
    product: Path,
    *,
    home: Path,
    scratch: Path,
    log_file: Path,
    ws: Workspace,
    run: Runner,
) -> None:
    """`conan install` of some references, or of all that cpp_core/conanfile.py asks for, into product."""
    source = ws.core_source
    lock = source / "conan.lock"
    environment = _environment(home)
    add_index = Command(
        cmake.tool("conan"), "remote", "add", _INDEX, source,
        "--type=local-recipes-index",
        "--index=0",
        "--force",
        env=environment,
    )  # fmt: skip
    install = Command(
        cmake.tool("conan"), "install",
        *([f"--requires={reference}" for reference in requires] or [str(source)]),
        f"--profile:host={profile}",
        "--build=missing",
        f"--lockfile={lock}",
        *remotes_to_ask(lock.read_text(), source / "recipes"),
        f"--deployer={source / 'recipes' / 'prefix.py'}",
        f"--deployer-folder={product}",
        f"--output-folder={scratch}",
        env=environment,
    )  # fmt: skip
    # Build trees are ten times the libraries; those of a failure stay, to be looked into.
    clean = Command(cmake.tool("conan"), "cache", "clean", "*", "--build", env=environment)
    run(add_index, log_file=log_file)
    try:
        run(install, log_file=log_file)
        run(clean, log_file=log_file)
    except BuildError as err:
        if not any(sign in log_file.read_text(errors="replace") for sign in _LOCK_MISMATCH):
            raise
        msg = f"{lock}: no longer matches the recipes and versions that cpp_core asks for"
        options = f"-pr:h={profile} --remote={_INDEX} --lockfile= --lockfile-out={lock}"
        renew = f"CONAN_HOME={home} {cmake.tool('conan')} lock create {source} {options}"
        hint = f"if the change is wanted, renew it: {renew}"
        raise ConfigError(msg, hint) from err


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
