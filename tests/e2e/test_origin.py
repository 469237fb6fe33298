"""Whoever pulled a symbol in is named, from maps that real linkers wrote; and maps cost nothing of what ships."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from edgebuild.audit.origin import link_maps, origins
from edgebuild.build import cmake
from edgebuild.digest import sha256_file
from edgebuild.elf import read_elf
from edgebuild.errors import AuditError
from edgebuild.model.product import Toolchain
from edgebuild.run import Command, run
from edgebuild.workspace import Workspace
from tests.corpus.shop import toolchain
from tests.e2e.harness import ARM, edgebuild

_TIMEOUT_S = 600
SOURCES = {
    "kalman.c": "#include <math.h>\ndouble predict(double x) { return fmod(x, 3.0); }\n",
    "unused.c": "#include <math.h>\ndouble forgotten(double x) { return exp(x); }\n",
    "main.c": "double predict(double);\nint main(int count, char **words) { return (int)predict(count); }\n",
    "plugin.cc": '#include <string>\nextern "C" double predict(double);\n'
    "std::string plug() { return std::to_string(predict(1)); }\n",
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\nproject(tracker C CXX)\n"
    "set(CMAKE_POSITION_INDEPENDENT_CODE ON)\n"
    "add_library(track STATIC kalman.c unused.c)\ntarget_link_libraries(track PUBLIC m)\n"
    "add_executable(app main.c)\ntarget_link_libraries(app PRIVATE track)\n"
    "add_library(plugin MODULE plugin.cc)\ntarget_link_libraries(plugin PRIVATE track)\n"
    "install(TARGETS app plugin DESTINATION lib)\n",
}


@pytest.fixture(scope="module")
def zig(cache: Workspace) -> Toolchain:
    return toolchain(cache)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """In a folder with a space, as people have them."""
    folder = tmp_path / "my tracker"
    folder.mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text)
    return folder


def build(source: Path, zig: Toolchain, *, maps: bool = True) -> Path:
    """The project built by the toolchain file that edgebuild generates, always in the same folder."""
    tree = source.parent / "build"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    text = cmake.render_toolchain_file(zig, prefixes=(tree / "none",), prefix_map={tree: "build"})
    if not maps:
        text = "\n".join(line for line in text.splitlines() if "LINKER_LAUNCHER" not in line)
    (tree / "toolchain.cmake").write_text(text)
    run(cmake.configure_command(source, tree, tree / "toolchain.cmake", {"CMAKE_BUILD_TYPE": "RelWithDebInfo"}))
    run(cmake.build_command(tree))
    return tree


def test_the_generated_toolchain_file_leaves_maps_that_name_the_static_library(source: Path, zig: Toolchain) -> None:
    tree = build(source, zig)
    maps = link_maps(tree)
    assert {path.name for path in maps.values()} == {"app.map", "libplugin.so.map"}
    for name in ("app", "libplugin.so"):
        facts = read_elf(tree / name)
        lookup = origins(maps[facts.build_id])
        (fmod,) = [symbol for symbol in facts.undefined if symbol.startswith("fmod@")]
        assert lookup(fmod) == "libtrack.a(kalman.c.o)"
        assert lookup("exp") == "", "nothing asks for that member, so it is not linked"


def test_maps_change_no_byte_of_what_ships_and_are_not_installed(source: Path, zig: Toolchain) -> None:
    names = ("app", "libplugin.so")
    tree = build(source, zig)
    with_maps = [sha256_file(tree / name) for name in names]
    run(cmake.install_all_command(tree, source.parent / "installed"))
    assert not list((source.parent / "installed").rglob("*.map"))
    tree = build(source, zig, maps=False)
    assert not list(tree.rglob("*.map"))
    assert [sha256_file(tree / name) for name in names] == with_maps


def test_an_address_in_a_function_leads_to_its_library(source: Path, zig: Toolchain) -> None:
    tree = build(source, zig)
    listing = run(Command(zig.nm, tree / "app")).stdout
    (address,) = [line.split()[0] for line in listing.splitlines() if line.endswith(" predict")]
    assert origins(tree / "app.map")(hex(int(address, 16))) == "libtrack.a(kalman.c.o)"


@pytest.mark.parametrize("thin", [False, True], ids=["ar", "thin ar"])
def test_maps_of_gnu_ld_are_read_as_well(source: Path, thin: bool) -> None:
    def sh(*words: str) -> None:
        run(Command(*words, cwd=source, timeout_s=_TIMEOUT_S))

    sh("aarch64-linux-gnu-gcc", "-O1", "-c", "kalman.c", "unused.c", "main.c")
    sh("aarch64-linux-gnu-ar", "rcsT" if thin else "rcs", "libtrack.a", "kalman.o", "unused.o")
    sh("aarch64-linux-gnu-gcc", "main.o", "libtrack.a", "-lm", "-o", "app", "-Wl,-Map=app.map")
    lookup = origins(source / "app.map")
    (fmod,) = [symbol for symbol in read_elf(source / "app").undefined if symbol.startswith("fmod@")]
    # A thin archive only points at its members, and ld calls them by their own names.
    assert lookup(fmod) == ("kalman.o" if thin else "libtrack.a(kalman.o)")
    assert lookup("main") == "main.o"
    assert lookup("exp") == ""


def test_the_ship_gate_names_the_static_library_behind_an_instruction(source: Path) -> None:
    """Through all of `edgebuild build`: what is audited has no symbol table any more."""
    (source / "kalman.c").write_text(
        # Never the same twice: what the cache has compiled already leaves no map in this build tree.
        f"#include <arm_neon.h>\n// {time.time_ns()}\n"
        '__attribute__((target("dotprod"))) double predict(double x) {\n'
        "  int8x16_t v = vdupq_n_s8((signed char)x);\n"
        "  return vaddvq_s32(vdotq_s32(vdupq_n_s32(0), v, v));\n"
        "}\n"
    )
    (source / "edgebuild.yaml").write_text('name: tracker\nversion: "1"\ntargets: [generic-arm64]\n')
    ended = edgebuild("build", "--target", ARM, cwd=source, timeout_s=_TIMEOUT_S)
    assert ended.code == AuditError.exit_code, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "lib/app: uses asimddp" in line]
    assert line.endswith(", brought in by libtrack.a(kalman.c.o)")
