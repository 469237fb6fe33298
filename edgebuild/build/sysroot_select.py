"""Which files of a root make a sysroot: by their names, before anything is transferred. Pure.

Paths are of the merged root (see sysroot_links.py): what a box has in /lib is below usr/lib here.
"""

from __future__ import annotations

import re
from typing import Literal

from edgebuild.model.rootfile import ImportWish

Kind = Literal["header", "library", "start", "compiler", "static", "description", "python", "system"]

# Everything below these is listed; what is taken of it, kind_of() says.
PLACES = (
    "usr/include", "usr/local/include", "lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64",
    "etc/alternatives", "etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/os-release",
)  # fmt: skip
# Large folders of which only files of these names are listed.
NAMED_PLACES = ("usr/share", "usr/local/share")
NAMED = ("*.pc", "*.cmake")
PYTHON_PLACES = ("usr/bin", "usr/local/bin")
PYTHON_NAMES = ("python3*",)

_LIBRARY_AREA = re.compile(r"usr/(?:local/)?lib(?:64)?/(?P<rest>.*)")
# usr/lib/gcc/TRIPLE/VERSION; OpenEmbedded leaves out "gcc".
_GCC = re.compile(r"usr/(?:local/)?lib(?:64|exec)?/(?:gcc/[^/]+/[^/]+|\w+-\w+-linux\w*/\d[\w.]*)/(?P<rest>.*)")
_SHARED = re.compile(r"[^/]+\.so(?:\.\d[\w.+-]*)?(?<!\.py)")  # not libstdc++.so.6.0.28-gdb.py
_START = re.compile(r"(?:\w*crt[1in]|crt(?:begin|end)\w*|crtfastmath)\.o")
_HEADER = re.compile(r".*/include/.*|.*\.(?:h|hh|hpp|hxx|inc|ipp|tcc|cuh|def|modulemap)")
_DESCRIPTION = re.compile(r".*/pkgconfig/[^/]+\.pc|.*/cmake/.*|.*\.cmake")
# CMake's own modules come with the CMake that builds.
_CMAKE_ITSELF = re.compile(r"usr/(?:local/)?share/cmake-\d.*")
# Needed in a shared link: what a C library and a compiler keep out of their shared objects.
_SMALL_STATIC = re.compile(r"\w+_nonshared\.a|libgcc\w*\.a")
_GCC_STATIC = re.compile(r"lib(?:gcc\w*|supc\+\+|stdc\+\+(?:fs)?|atomic|ssp_nonshared)\.a")
# Kernel and firmware, other languages' libraries, converters: nothing links to them.
_NO_LIBRARIES = re.compile(
    r"(?:gcc-cross|firmware|modules|debug|locale|jvm|ghc|ocaml|ruby|nodejs|node_modules|git-core|valgrind|rustlib|go-[\d.]+)/.*"
    r"|(?:.*/)?(?:gconv|perl\d?|perl-base|dist-packages|site-packages|__pycache__)/.*"
)
_PYTHON = re.compile(
    r"usr/(?:local/)?(?:bin/python3(?:\.\d+)?|lib(?:64)?/python3(?:\.\d+)?/(?P<module>.*))",
)
_NO_PYTHON = re.compile(
    r"(?:.*/)?(?:dist-packages|site-packages|__pycache__|tests?|idlelib|ensurepip|turtledemo|config-[^/]*)/.*"
)
# The cache is how the loader finds what lies in the configured folders, here as on the box.
_SYSTEM = re.compile(r"etc/ld\.so\.cache|etc/ld\.so\.conf(?:\.d/[^/]+\.conf)?|etc/os-release")
# usr/lib/x86_64-linux-gnu/..., usr/include/arm-linux-gnueabihf/...: Debian's multiarch folders.
_MULTIARCH = re.compile(r"usr/(?:local/)?(?:lib|include)/(?P<machine>[a-z0-9_]+)-linux-[a-z0-9_]+/")


def kind_of(path: str, wish: ImportWish, searched: tuple[str, ...] = ()) -> Kind | None:
    """What a file or link of this path is to a sysroot; None for what stays on the box.

    searched: more folders in which the box's loader looks, from its ld.so.conf.
    """
    name = path.rpartition("/")[2]
    if path.startswith(("usr/include/", "usr/local/include/")):
        return "header"
    if any(path == place or path.startswith(f"{place}/") for place in wish.also):
        return _kind_in_sdk(path, name)
    if match := _GCC.fullmatch(path):
        return _kind_in_gcc(match["rest"], name)
    if match := _PYTHON.fullmatch(path):
        return _kind_in_python(match["module"], name) if wish.python else None
    if _SYSTEM.fullmatch(path):
        return "system"
    if _DESCRIPTION.fullmatch(path) and not _CMAKE_ITSELF.fullmatch(path):
        return "description"
    if match := _LIBRARY_AREA.fullmatch(path):
        return None if _NO_LIBRARIES.fullmatch(match["rest"]) else _kind_of_library(name)
    if path.rpartition("/")[0] in searched:
        return _kind_of_library(name)
    return None


def is_foreign(path: str, machine: str) -> bool:
    """Whether it lies in the multiarch folder of another machine. machine: "aarch64"."""
    match = _MULTIARCH.match(path)
    return bool(match) and match is not None and match["machine"] != machine


def is_needed_static(name: str) -> bool:
    """Whether shared links need this static library."""
    return bool(_SMALL_STATIC.fullmatch(name) or _GCC_STATIC.fullmatch(name))


def _kind_of_library(name: str) -> Kind | None:
    if _SHARED.fullmatch(name):
        return "library"
    if _START.fullmatch(name):
        return "start"
    return "static" if name.endswith(".a") else None


def _kind_in_sdk(path: str, name: str) -> Kind | None:
    if _HEADER.fullmatch(path):
        return "header"
    if _DESCRIPTION.fullmatch(path):
        return "description"
    # Somebody asked for this folder by name, so its static libraries are meant as well.
    return "library" if name.endswith(".a") else _kind_of_library(name)


def _kind_in_gcc(rest: str, name: str) -> Kind | None:
    if rest.startswith(("include/", "include-fixed/")):
        return "compiler"
    if "/" in rest:
        return None  # plugin/, and libraries of multilib variants
    if _SHARED.fullmatch(name) and not name.startswith("liblto"):
        return "library"
    if name.endswith(".o"):
        return "start"
    return "static" if name.endswith(".a") else None


def _kind_in_python(module: str | None, name: str) -> Kind | None:
    if module is None or name.startswith("_sysconfigdata"):
        return "python"
    return "python" if name.endswith((".py", ".so")) and not _NO_PYTHON.fullmatch(module) else None
