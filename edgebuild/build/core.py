"""The core, compiled once per architecture and floor: one set of objects serves every row."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from edgebuild.build import cmake
from edgebuild.build.core_sources import require_counted, sources_digest
from edgebuild.build.tools import provide_tools, tools_digest
from edgebuild.digest import digest_of
from edgebuild.errors import BuildError
from edgebuild.model.product import CoreTree, Toolchain
from edgebuild.model.recipe import BuildTool
from edgebuild.run import Runner
from edgebuild.workspace import Workspace, shipped_data, write_atomic

_FFMPEG_SUFFIX = "-edge"  # as in recipes/ffmpeg: a vendor's FFmpeg may live in the same process


def core_digest(
    source: Path, toolchain: Toolchain, deps: Path, core_only: bool, tools: tuple[BuildTool, ...] = ()
) -> str:
    """Everything that decides the core's bytes. deps is named after its own digest."""
    variables = sorted(_variables(Path("DEPS"), core_only).items())  # wherever the cache lies, the bytes are the same
    return digest_of([sources_digest(source), toolchain.digest, deps.name, variables, tools_digest(tools)])


def provide_core(
    toolchain: Toolchain,
    deps: Path,
    *,
    core_only: bool = False,
    tools: tuple[BuildTool, ...] = (),
    ws: Workspace,
    run: Runner,
) -> CoreTree:
    """Configured, compiled and installed. The build tree stays, so a change recompiles only what it touches.

    core_only: without FFmpeg, JPEG and the tests, whose libraries come through a distribution. tools: what the
    compilation of backends calls.
    """
    source = ws.core_source
    key = core_digest(source, toolchain, deps, core_only, tools)
    name = f"core-{toolchain.label}"
    tree = ws.build_tree(toolchain.label + ("-core-only" if core_only else ""))

    def make(product: Path) -> None:
        variables = {**_variables(deps, core_only), **provide_tools(tools, ws=ws)}
        toolchain_file = prepare_tree(tree, toolchain, deps, variables, ws=ws)
        log_file = ws.log_file(f"{name}-{key[:8]}")
        run(cmake.configure_command(source, tree, toolchain_file, variables), log_file=log_file)
        run(cmake.build_command(tree), log_file=log_file)
        for component in ("runtime", "sdk") if core_only else ("runtime", "sdk", "tests"):
            run(cmake.install_command(tree, product / component, component), log_file=log_file)
        require_counted(source, tree, run)
        # It would be kept as made from what they were.
        if core_digest(source, toolchain, deps, core_only, tools) != key:
            msg = "the core's sources changed while they were compiled"
            raise BuildError(msg, "build again.")
        if not toolchain.variant:
            _offer_to_ide(source, tree)

    with ws.lock(f"tree-{digest_of(str(tree))[:16]}"):
        place = ws.provide("core", name, key, make, f"Compiling the core for {toolchain.label}")
    return CoreTree(digest=key, runtime=place / "runtime", sdk=place / "sdk", tests=place / "tests")


def prepare_tree(tree: Path, toolchain: Toolchain, deps: Path, variables: Mapping[str, str], *, ws: Workspace) -> Path:
    """Writes the toolchain file and the preset; a tree configured by another toolchain starts anew."""
    source = ws.core_source
    content = cmake.render_toolchain_file(
        toolchain,
        prefixes=(deps,),
        prefix_map={tree: "build", source: "edgecore", ws.cache: "cache"},
    )
    toolchain_file = tree / "toolchain.cmake"
    if not toolchain_file.is_file() or toolchain_file.read_text() != content:
        shutil.rmtree(tree, ignore_errors=True)
        write_atomic(toolchain_file, content)
    preset = cmake.render_preset(
        tree.name, source=source, tree=tree, toolchain_file=toolchain_file, variables=variables
    )
    write_atomic(tree / "preset.json", preset)
    return toolchain_file


def library_variables(deps: Path) -> dict[str, str]:
    """What CMake needs to know to find the third-party libraries, beside the toolchain file."""
    return {"FFmpeg_ROOT": str(deps), "FFMPEG_BUILD_SUFFIX": _FFMPEG_SUFFIX}


def _variables(deps: Path, core_only: bool) -> dict[str, str]:
    media = "OFF" if core_only else "ON"
    return {
        "CMAKE_BUILD_TYPE": "RelWithDebInfo",
        "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",  # else the length of a path of this machine stays in the file
        "CMAKE_EXPORT_COMPILE_COMMANDS": "ON",
        "CMAKE_INSTALL_LIBDIR": "lib",
        "EDGECORE_BUILD_TESTS": media,  # doctest comes with the media libraries
        "EDGECORE_WITH_FFMPEG": media,
        "EDGECORE_WITH_JPEG": media,
        **library_variables(deps),
    }


def _offer_to_ide(source: Path, tree: Path) -> None:
    """Presets and compile_commands.json beside the sources, in a checkout only (both are ignored by git)."""
    if source.parent != shipped_data() or not (source.parent / ".git").exists():
        return
    presets = list(tree.parent.glob("*/preset.json"))
    write_atomic(source / "CMakeUserPresets.json", cmake.render_user_presets(presets))
    link = source / "compile_commands.json"
    link.unlink(missing_ok=True)
    link.symlink_to(tree / "compile_commands.json")
