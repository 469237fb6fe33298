"""zig: a compiler with every glibc and its own libc++, wrapped per architecture and floor, warmed before its use."""

from __future__ import annotations

import shlex
from pathlib import Path

from edgebuild.build.toolchain_bin import LLVM_TOOLS, provide_bin, render_tool
from edgebuild.build.toolchain_wheels import provide_tools
from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError
from edgebuild.model.arch import Arch, host_arch
from edgebuild.model.product import Toolchain
from edgebuild.model.recipe import ZigRecipe
from edgebuild.model.target import ToolchainSpec
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner
from edgebuild.workspace import Workspace

_WARM_TIMEOUT_S = 1800

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


def provide_zig(spec: ToolchainSpec, arch: Arch, host: Toolchain | None, *, ws: Workspace, run: Runner) -> Toolchain:
    """Compilers for one architecture, not yet warm. Raises NotAvailable, ConfigError or VerificationError."""
    name, recipe = spec.name, spec.recipe
    assert isinstance(recipe, ZigRecipe)
    if missing := sorted({arch.name, host_arch().name} - set(recipe.cpu)):
        msg = f"toolchains/{name}.yaml: cpu: names no CPU for {', '.join(missing)}"
        raise ConfigError(msg, "one for the target and one for the build machine, e.g. {x86_64: x86_64}.")
    tools, wheels_digest = provide_tools(name, spec.lock, ws=ws)
    # The digest says what decides the compiled bytes, wherever the cache lies; the wrappers hold its paths.
    placeless = render_wrappers(recipe, arch, Path("TOOLS"), Path("CACHE"))
    digest = digest_of([wheels_digest, arch.name, placeless, recipe.c_flags, recipe.link_flags])
    wrappers = render_wrappers(recipe, arch, tools, ws.cache / "zig")

    title = f"Setting up {name} for {arch.name}, glibc {recipe.floor}"
    root = provide_bin(f"{name}-{arch.name}", wrappers, digest, title, ws=ws)
    return Toolchain(
        name=name,
        digest=digest,
        arch=arch,
        floor=recipe.floor,
        root=root,
        host_cc=root / "bin/host-cc",
        host_cxx=root / "bin/host-c++",
        c_flags=recipe.c_flags,
        link_flags=recipe.link_flags,
    )


def render_wrappers(recipe: ZigRecipe, arch: Arch, tools: Path, cache: Path) -> dict[str, str]:
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
        scripts[program] = render_tool(tools / "ziglang/zig", program)
    for program, tool in LLVM_TOOLS.items():
        scripts[program] = render_tool(tools / "bin" / tool)
    return scripts


def warm_zig(toolchain: Toolchain, *, ws: Workspace, run: Runner) -> None:
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
