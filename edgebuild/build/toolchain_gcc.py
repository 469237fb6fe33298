"""A GCC with its own C library, out of the one archive that its lock names: unpacked as it is, repaired from beside.

Nothing of the archive is changed. What a moved GCC does not find by itself (its programs' libraries, its sysroot, what
its linker scripts name by places of another machine) it is told by the scripts in bin/.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgebuild.build.sysroot_pkgconfig import provide_pkgconfig
from edgebuild.build.toolchain_bin import PROGRAMS, quoted, write_scripts
from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError, NotAvailable, VerificationError
from edgebuild.fetch import cached_path, fetch, verify
from edgebuild.model.arch import ARCHES, Arch, host_arch
from edgebuild.model.elf import parse_version
from edgebuild.model.product import Toolchain
from edgebuild.model.recipe import Download, GccLayout, GccRecipe, ImportedGcc
from edgebuild.model.target import ToolchainSpec
from edgebuild.run import Runner
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace

_TREE = "gcc-tree"  # equal archives are unpacked once, whatever they are imported as
_COMPILERS = {"cc": "gcc", "c++": "g++"}
_NEWEST_IN_CONAN = 15
_WHOLE_PREFIX_MAP = 8  # GCC's first with -ffile-prefix-map; before it, -fdebug-prefix-map does most of the same
# What a shell may carry and GCC would look for its parts by. Source: GCC manual, "Environment Variables".
_SCRIPT = """\
#!/bin/sh
# {program} of GCC {gcc} for {triple}
unset GCC_EXEC_PREFIX COMPILER_PATH LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH
{libraries}exec {words} "$@"
"""


def provide_gcc(spec: ToolchainSpec, arch: Arch, host: Toolchain | None, *, ws: Workspace, run: Runner) -> Toolchain:
    """The imported compilers. Raises ConfigError, NotAvailable, VerificationError."""
    recipe, imported = spec.recipe, spec.lock.imported
    assert isinstance(recipe, GccRecipe) and imported and host, spec.name
    if recipe.arch != arch.name:
        msg = f"toolchain '{spec.name}' compiles for {recipe.arch}, not for {arch.name}"
        raise ConfigError(msg, "`edgebuild toolchain list` says which compiles for what.")
    if imported.build_machine != host_arch().name:
        msg = f"toolchain '{spec.name}' runs on {imported.build_machine} machines, and this one is {host_arch().name}"
        raise NotAvailable(msg, "build on one of those.")
    tree = provide_gcc_tree(spec.name, imported.archive, ws=ws)
    layout = imported.layout
    # The digest says what decides the compiled bytes, wherever the cache lies.
    digest = digest_of([imported.archive.sha256, arch.name, placeless(layout), recipe.c_flags, recipe.link_flags])
    title = f"Setting up {spec.name} for {arch.name}, glibc {imported.glibc}"
    root = _provide_programs(spec.name, digest, tree, layout, title, ws=ws)
    sysroot = tree / layout.sysroot
    return Toolchain(
        name=spec.name,
        digest=digest,
        arch=arch,
        floor=imported.glibc,
        root=root,
        host_cc=host.host_cc,
        host_cxx=host.host_cxx,
        c_flags=recipe.c_flags,
        link_flags=recipe.link_flags,
        variant=spec.name,
        sysroot=sysroot,
        pkgconfig=provide_pkgconfig(sysroot, spec.name, imported.archive.sha256, ws=ws),
        roots=tuple(sorted({(tree / folder).parent for folder in layout.runtime} - {sysroot})),
        static_runtime=False,
        conan=_in_conan(imported),
        prefix_map_flag="-ffile-prefix-map" if _major(imported) >= _WHOLE_PREFIX_MAP else "-fdebug-prefix-map",
    )


def provide_gcc_tree(name: str, archive: Download, *, ws: Workspace) -> Path:
    """The unpacked archive. Raises NotAvailable, VerificationError."""

    def make(tree: Path) -> None:
        place = cached_path(archive, ws)
        if not place.is_file() and not archive.url:
            msg = f"toolchain '{name}' was imported on another machine, and its archive {archive.file} is not here"
            raise NotAvailable(msg, f"`edgebuild toolchain provide {name} --archive FILE` takes it from a file.")
        fetch(archive, ws=ws)
        verify(place, archive)
        unpack_tar(place, tree)

    return ws.provide("toolchains", _TREE, _tree_key(archive), make, f"Unpacking {archive.file}")


@contextlib.contextmanager
def forgotten_if_refused(archive: Download, *, ws: Workspace) -> Iterator[None]:
    """What turns out to be no toolchain leaves the cache, unless it was unpacked before.

    After an interruption it stays, so that the next import goes on with it.
    """
    tree = ws.product("toolchains", _TREE, _tree_key(archive))
    was_there = tree.is_dir()
    try:
        yield
    except VerificationError:
        if not was_there:
            cached_path(archive, ws).unlink(missing_ok=True)
            with ws.scratch("refused") as scratch, contextlib.suppress(FileNotFoundError):
                tree.rename(scratch / "tree")  # a half-removed one would be taken for whole
        raise


def _tree_key(archive: Download) -> str:
    return digest_of(archive.sha256)


def render_scripts(layout: GccLayout, tree: Path, beside: Path) -> dict[str, str]:
    """Program name -> shell script. beside: the folder with what was repaired."""
    libraries = f"LD_LIBRARY_PATH={quoted([str(beside / 'host')])} " if layout.host_libraries else ""
    scripts = {}
    for program in (*_COMPILERS, *PROGRAMS):
        words = [str(tree / layout.programs[program])]
        if program in _COMPILERS:
            words += [f"--sysroot={tree / layout.sysroot}"] if layout.sysroot_flag else []
            words += [f"-L{beside / 'lib'}"] if layout.scripts else []
            # Otherwise the linker looks for what libraries need in the build machine's folders.
            words += [f"-Wl,-rpath-link,{tree / folder}" for folder in layout.runtime]
        scripts[program] = _SCRIPT.format(
            program=_COMPILERS.get(program, program),
            gcc=layout.gcc,
            triple=layout.triple,
            libraries=libraries,
            words=quoted(words),
        )
    return scripts


def placeless(layout: GccLayout) -> dict[str, str]:
    """The scripts as they would be anywhere."""
    return render_scripts(layout, Path("TREE"), Path("BESIDE"))


def repair_script(text: str, folder: Path) -> str:
    """A linker script that names its libraries alone, where they lie beside it; ld then looks for them by itself."""
    return re.sub(r"/\S+", lambda path: Path(path[0]).name if (folder / Path(path[0]).name).exists() else path[0], text)


def link_libraries(folder: Path, tree: Path, libraries: Iterable[str]) -> None:
    """A folder for LD_LIBRARY_PATH with these alone: beside them may lie a C library that no program here can use."""
    for library in libraries:
        (folder / Path(library).name).symlink_to((tree / library).resolve())


def _provide_programs(name: str, digest: str, tree: Path, layout: GccLayout, title: str, *, ws: Workspace) -> Path:
    """bin/; lib/ with repaired linker scripts; host/ with links to libraries that GCC's own programs need."""
    key = digest_of([digest, layout.host_libraries, layout.scripts, str(tree)])
    place = ws.product("toolchains", name, key)

    def make(product: Path) -> None:
        write_scripts(product / "bin", render_scripts(layout, tree, place))
        (product / "lib").mkdir()
        for script in layout.scripts:
            source = tree / script
            (product / "lib" / source.name).write_text(repair_script(source.read_text(), source.parent))
        (product / "host").mkdir()
        link_libraries(product / "host", tree, layout.host_libraries)

    return ws.provide("toolchains", name, key, make, title)


def _in_conan(imported: ImportedGcc) -> tuple[tuple[str, str], ...]:
    """From GCC 5 on Conan's settings know the major version alone, up to a newest."""
    version = str(min(_major(imported), _NEWEST_IN_CONAN))
    return (("compiler", "gcc"), ("compiler.version", version), ("compiler.libcxx", "libstdc++11"))


def _major(imported: ImportedGcc) -> int:
    return parse_version(imported.layout.gcc)[0]


def arch_of_triple(triple: str) -> Arch | None:
    """None for a machine that no row is for."""
    return ARCHES.get(triple.partition("-")[0])
