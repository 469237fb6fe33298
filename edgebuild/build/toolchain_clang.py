"""clang and lld against a sysroot, with that sysroot's libstdc++: for what must meet libraries of a vendor's GCC.

Both are in zig's wheel. `zig clang` is clang's own driver, without what `zig c++` adds to it (its own libc, start-up
code and libc++).
"""

from __future__ import annotations

import re
from pathlib import Path

from edgebuild.build.sysroot import provide_sysroot
from edgebuild.build.sysroot_pkgconfig import provide_pkgconfig
from edgebuild.build.toolchain_bin import LLVM_TOOLS, provide_bin, quoted, render_tool
from edgebuild.build.toolchain_wheels import provide_tools
from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError
from edgebuild.model.arch import Arch
from edgebuild.model.product import Sysroot, Toolchain
from edgebuild.model.recipe import ClangRecipe
from edgebuild.model.target import ToolchainSpec
from edgebuild.run import Runner
from edgebuild.workspace import Workspace

# clang 20 is the newest that Conan's settings know.
_CONAN = (("compiler", "clang"), ("compiler.version", "20"), ("compiler.libcxx", "libstdc++11"))
# Words that only linking needs would be warned about in every compilation.
_QUIET, _LOUD = "--start-no-unused-arguments", "--end-no-unused-arguments"
_COMPILER = """\
#!/bin/sh
# clang for {triple} against {sysroot}, glibc {glibc}
exec {words} "$@"
"""


def provide_clang(spec: ToolchainSpec, arch: Arch, host: Toolchain | None, *, ws: Workspace, run: Runner) -> Toolchain:
    """Compilers against the spec's sysroot. Raises ConfigError, NotAvailable, VerificationError."""
    recipe = spec.recipe
    assert isinstance(recipe, ClangRecipe) and host, spec.name
    sysroot = _sysroot_of(spec, arch, ws)
    if arch.name not in recipe.cpu:
        msg = f"toolchains/{spec.name}.yaml: cpu: names no CPU for {arch.name}"
        raise ConfigError(msg, "say the lowest that -march takes there, e.g. {aarch64: armv8-a}.")
    tools, wheels_digest = provide_tools(spec.name, spec.lock, ws=ws)
    march = f"-march={recipe.cpu[arch.name]}"
    # The digest says what decides the compiled bytes, wherever the cache lies.
    placeless = [
        word.replace(str(sysroot.root), "SYSROOT")
        for word in clang_words(Path("TOOLS"), Path("LINKER"), sysroot, "C++", march)
    ]
    digest = digest_of([wheels_digest, sysroot.digest, placeless, recipe.c_flags, recipe.link_flags])
    name = f"{spec.name}-{sysroot.name}"
    linker = ws.product("toolchains", name, digest_of([digest, str(ws.cache)])) / "bin/ld.lld"
    scripts = {"ld.lld": render_tool(tools / "ziglang/zig", "ld.lld")}
    for program, language in (("cc", "C"), ("c++", "C++")):
        words = [*clang_words(tools, linker, sysroot, language, march), _LOUD]
        scripts[program] = _COMPILER.format(
            triple=arch.triple, sysroot=sysroot.name, glibc=sysroot.glibc, words=quoted(words)
        )
    for program, tool in (("ar", "llvm-ar"), ("ranlib", "llvm-ranlib"), *LLVM_TOOLS.items()):
        scripts[program] = render_tool(tools / "bin" / tool)
    title = f"Setting up {spec.name} for {arch.name} against {sysroot.name}, glibc {sysroot.glibc}"
    root = provide_bin(name, scripts, digest, title, ws=ws)
    return Toolchain(
        name=spec.name,
        digest=digest,
        arch=arch,
        floor=sysroot.glibc,
        root=root,
        host_cc=host.host_cc,
        host_cxx=host.host_cxx,
        c_flags=recipe.c_flags,
        link_flags=recipe.link_flags,
        variant=name,
        sysroot=sysroot.root,
        pkgconfig=provide_pkgconfig(sysroot.root, sysroot.name, sysroot.digest, ws=ws),
        static_runtime=False,
        conan=_CONAN,
    )


def clang_words(tools: Path, linker: Path, sysroot: Sysroot, language: str, *more: str) -> list[str]:
    """clang's driver for "C" or "C++" with all it has to be told. tools: the unpacked wheels.

    linker: a script of ours, because clang asks for one program. Ends in a stretch of words that may stay unused.
    """
    zig = tools / "ziglang" / "zig"
    return [
        str(zig),
        "clang",
        f"--driver-mode={'g++' if language == 'C++' else 'gcc'}",
        f"--target={sysroot.arch.triple}",
        f"--sysroot={sysroot.root}",
        *_gcc_words(sysroot, language),
        "-resource-dir",
        str(zig.parent / "lib"),  # clang's own headers: stddef.h, arm_neon.h
        _QUIET,
        f"--ld-path={linker}",
        *more,
    ]


def _sysroot_of(spec: ToolchainSpec, arch: Arch, ws: Workspace) -> Sysroot:
    if spec.sysroot is None:
        msg = f"toolchain '{spec.name}' has no C library of its own, and no sysroot is named"
        raise ConfigError(msg, "say which it compiles against: `sysroot: NAME`; `edgebuild sysroot list`.")
    if (of := spec.sysroot.recipe.arch) != arch.name:
        msg = f"toolchain '{spec.name}': sysroot '{spec.sysroot.name}' is for {of}, not for {arch.name}"
        raise ConfigError(msg, "`edgebuild sysroot list` says which is for what.")
    sysroot = provide_sysroot(spec.sysroot.name, spec.sysroot.recipe, spec.sysroot.lock, ws=ws)
    if not any(sysroot.root.glob("usr/lib*/**/crt1.o")) or not (sysroot.root / "usr/include/stdio.h").is_file():
        msg = f"sysroot '{sysroot.name}' has no crt1.o or no stdio.h, so nothing can be linked against it"
        raise ConfigError(msg, "add libc6-dev and libstdc++-N-dev to its packages, or name another one.")
    return sysroot


def _gcc_words(sysroot: Sysroot, language: str) -> list[str]:
    """Where the compiler's own files and C++ headers are: clang knows some vendors' triples only."""
    root = sysroot.root
    places = [*root.glob(f"usr/lib*/gcc/{sysroot.arch.name}-*/*"), *root.glob(f"usr/lib*/{sysroot.arch.name}-*/*")]
    found = [place for place in places if (place / "crtbegin.o").is_file() and not place.is_symlink()]
    if not found:
        return []
    gcc = max(found, key=lambda place: [int(part) for part in re.findall(r"\d+", place.name)])
    words = [f"--gcc-install-dir={gcc}"]
    if language == "C++" and (cxx := root / "usr/include/c++" / gcc.name).is_dir():
        configs = [*cxx.glob("*/bits/c++config.h"), *root.glob(f"usr/include/*/c++/{gcc.name}/bits/c++config.h")]
        folders = [cxx, *(config.parent.parent for config in configs), cxx / "backward"]
        words += ["-nostdinc++", *(word for folder in folders for word in ("-cxx-isystem", str(folder)))]
    return words
