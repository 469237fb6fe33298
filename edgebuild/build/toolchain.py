"""A compiler out of wheels: unpacked once, wrapped per architecture and floor, and warmed before its first use."""

from __future__ import annotations

import shlex
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.fetch import fetch_all, pypi_download, pypi_files
from edgebuild.model.arch import ARCHES, Arch, host_arch
from edgebuild.model.product import Toolchain
from edgebuild.model.recipe import Download, ToolchainLock, ToolchainRecipe
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace

_WARM_TIMEOUT_S = 1800
_LLVM_TOOLS = {"nm": "llvm-nm", "strip": "llvm-strip", "objcopy": "llvm-objcopy"}

# -fno-sanitize: without -O zig adds undefined-behaviour checks and links 4 MB of their runtime.
# -rpath-link: CMake adds it to cross links; zig only warns that it ignores it, once per link.
_COMPILER = """\
#!/bin/sh
# zig {mode} for {triple}, glibc {floor}, {cpu}
test -n "$ZIG_GLOBAL_CACHE_DIR" || ZIG_GLOBAL_CACHE_DIR={cache}
test -n "$ZIG_LOCAL_CACHE_DIR" || ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
for argument do
  shift
  case $argument in
    -Wl,-rpath-link*) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec {tools}/ziglang/zig {mode} -target {triple}.{floor} -mcpu={cpu} -fno-sanitize=undefined "$@"
"""
_TOOL = """\
#!/bin/sh
exec {tools}/{program} "$@"
"""

# What the first links need built: C and C++ start-up code and runtime, as program and as shared library.
# zig keeps them per (architecture, glibc, stripped or not, size-optimised or not): these are the modes we use.
_WARM_C = "int edgebuild_warm(void) { return 0; }\nint main(void) { return edgebuild_warm(); }\n"
_WARM_CXX = (
    "#include <iostream>\n#include <stdexcept>\n"
    "int main() {\n"
    '  try { throw std::runtime_error("warm"); }\n'
    "  catch (const std::exception& error) { std::cout << error.what(); }\n"
    "}\n"
)


def provide_toolchain(
    name: str, recipe: ToolchainRecipe, lock: ToolchainLock, arch: Arch, *, ws: Workspace, run: Runner
) -> Toolchain:
    """Compilers for one architecture, ready to be fast. Raises NotAvailable, VerificationError or BuildError."""
    if missing := sorted({arch.name, host_arch().name} - set(recipe.cpu)):
        msg = f"toolchains/{name}.yaml: cpu: names no CPU for {', '.join(missing)}"
        raise ConfigError(msg, "one for the target and one for the build machine, e.g. {x86_64: x86_64}.")
    tools, wheels_digest = provide_tools(name, lock, ws=ws)
    # The digest says what decides the compiled bytes, wherever the cache lies; the wrappers hold its paths.
    placeless = render_wrappers(recipe, arch, Path("TOOLS"), Path("CACHE"))
    digest = digest_of([wheels_digest, arch.name, placeless, recipe.c_flags, recipe.link_flags])
    wrappers = render_wrappers(recipe, arch, tools, ws.cache / "zig")

    def make(product: Path) -> None:
        (product / "bin").mkdir()
        for program, text in wrappers.items():
            path = product / "bin" / program
            path.write_text(text)
            path.chmod(0o755)

    title = f"Setting up {name} for {arch.name}, glibc {recipe.floor}"
    root = ws.provide("toolchains", f"{name}-{arch.name}", digest_of([digest, str(ws.cache)]), make, title)
    toolchain = Toolchain(
        name=name,
        digest=digest,
        arch=arch,
        floor=recipe.floor,
        root=root,
        cc=root / "bin/cc",
        cxx=root / "bin/c++",
        ar=root / "bin/ar",
        ranlib=root / "bin/ranlib",
        nm=root / "bin/nm",
        strip=root / "bin/strip",
        objcopy=root / "bin/objcopy",
        host_cc=root / "bin/host-cc",
        host_cxx=root / "bin/host-c++",
        c_flags=recipe.c_flags,
        link_flags=recipe.link_flags,
    )
    _warm(toolchain, ws=ws, run=run)
    return toolchain


def lock_toolchain(recipe: ToolchainRecipe, recipe_digest: str, *, ws: Workspace) -> ToolchainLock:
    """The wheels of a recipe with the sha256 that the index states, for every build machine that all exist for.

    Raises NotAvailable.
    """
    if ws.offline:
        msg = "the wheels of a toolchain cannot be looked up: --offline forbids asking the index"
        raise NotAvailable(msg, "run without --offline.")
    indexes = {project: tuple(pypi_files(project)) for project in recipe.wheels}
    wheels = {}
    for arch in ARCHES.values():
        files = {project: choose_wheel(indexes[project], version, arch) for project, version in recipe.wheels.items()}
        if all(files.values()):
            wheels[arch.name] = tuple(pypi_download(project, file) for project, file in files.items())
    if not wheels:
        wanted = ", ".join(f"{project} {version}" for project, version in recipe.wheels.items())
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


def render_wrappers(recipe: ToolchainRecipe, arch: Arch, tools: Path, cache: Path) -> dict[str, str]:
    """Program name -> shell script. tools: the unpacked wheels. cache: where zig keeps what it has built."""
    scripts = {}
    for prefix, machine in (("", arch), ("host-", host_arch())):
        for program, mode in (("cc", "cc"), ("c++", "c++")):
            scripts[prefix + program] = _COMPILER.format(
                mode=mode,
                triple=machine.triple,
                floor=recipe.floor,
                cpu=recipe.cpu[machine.name],
                tools=shlex.quote(str(tools)),
                cache=shlex.quote(str(cache)),
            )
    for program in ("ar", "ranlib"):
        scripts[program] = _TOOL.format(tools=shlex.quote(str(tools)), program=f"ziglang/zig {program}")
    for program, tool in _LLVM_TOOLS.items():
        scripts[program] = _TOOL.format(tools=shlex.quote(str(tools)), program=f"bin/{tool}")
    return scripts


def _wheels_for(machine: Arch, name: str, lock: ToolchainLock) -> tuple[Download, ...]:
    if machine.name not in lock.wheels:
        built = ", ".join(lock.wheels)
        msg = f"toolchain '{name}' does not run on this {machine.name} machine; its wheels are for {built}"
        raise NotAvailable(msg, "build on one of those; the result runs on every target all the same.")
    return lock.wheels[machine.name]


def provide_tools(name: str, lock: ToolchainLock, *, ws: Workspace) -> tuple[Path, str]:
    """The toolchain's wheels for this machine in one folder, and their digest. Raises NotAvailable."""
    wheels = _wheels_for(host_arch(), name, lock)
    wheels_digest = digest_of([wheel.sha256 for wheel in wheels])

    def make(product: Path) -> None:
        with ws.log.step(f"Fetching {len(wheels)} wheels of {name}") as step:
            files = fetch_all(wheels, ws=ws, step=step)
        for file in files:
            unpack_wheel(file, product)

    return ws.provide("toolchains", name, wheels_digest, make, f"Unpacking toolchain {name}"), wheels_digest


def _warm(toolchain: Toolchain, *, ws: Workspace, run: Runner) -> None:
    """Has zig build its C and C++ runtime now, where it is named, rather than within somebody's first link."""

    def make(product: Path) -> None:
        log_file = ws.log_file(f"warm-{toolchain.arch.name}-{toolchain.digest[:8]}")
        for compiler, file, text in ((toolchain.cc, "warm.c", _WARM_C), (toolchain.cxx, "warm.cc", _WARM_CXX)):
            (product / file).write_text(text)
            for output, flags in (("warm", ()), ("warm.so", ("-shared", "-fPIC"))):
                command = Command(
                    compiler,
                    "-O2",
                    *flags,
                    file,
                    "-o",
                    output,
                    cwd=product,
                    env=CLEAN_BUILD_ENV,
                    timeout_s=_WARM_TIMEOUT_S,
                )
                run(command, log_file=log_file)

    title = f"Warming {toolchain.name} for {toolchain.arch.name}, glibc {toolchain.floor} (about 100 CPU seconds, once)"
    # Inside zig's cache, so that whoever deletes the cache deletes the claim that it is warm.
    ws.provide("zig", f"warm-{toolchain.arch.name}-{toolchain.floor}", toolchain.digest, make, title)
