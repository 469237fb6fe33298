"""The other toolchains: clang against a sysroot for a user's project, an imported GCC for the core."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgebuild.config.targets import load_toolchain
from edgebuild.elf import highest_versions, read_elves
from edgebuild.fetch import cached_path
from edgebuild.model.elf import parse_version
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace
from tests.e2e.harness import ARM, NEW_ROOT, OLD_ROOT, REPOSITORY, call, edgebuild

_CROSS = REPOSITORY / "tests" / "cross"
_GCC, _PACKAGES = "debian-gcc", "debian-11-cross-gcc"
_BUILD_S, _EMULATED_S = 1800, 120
# What a program gets from the C++ runtime that it shares with the box, and from the mathematics of a later glibc.
_MAIN = """\
#include <cmath>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
int main(int argc, char** argv) {
  std::string said;
  std::thread([&] {
    try {
      if (!std::filesystem::exists("/nowhere")) throw std::runtime_error("caught in a thread");
    } catch (const std::exception& error) {
      said = error.what();
    }
  }).join();
  std::cout << said << ", " << std::filesystem::path(argv[0]).filename().string() << ", " << std::exp(argc - 1.0)
            << std::endl;
}
"""
_LISTS = """\
cmake_minimum_required(VERSION 3.20)
project(walker VERSION 1.0.0 LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(Threads REQUIRED)
find_library(MATH m REQUIRED)
find_path(HEADERS stdio.h REQUIRED)
if(NOT MATH MATCHES "^${CMAKE_SYSROOT}/" OR NOT HEADERS MATCHES "^${CMAKE_SYSROOT}/")
  message(FATAL_ERROR "found outside the sysroot: ${MATH} ${HEADERS}")
endif()
add_executable(walker main.cc)
target_link_libraries(walker PRIVATE Threads::Threads)
install(TARGETS walker)
"""
_PROJECT = """\
name: walker
version: cmake
targets: [arm64]
toolchain: {default: {name: clang, sysroot: debian-11-arm64}}
run: bin/walker
"""


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of C++17 in its folder."""
    folder = tmp_path_factory.mktemp("walker")
    for name, text in {"CMakeLists.txt": _LISTS, "main.cc": _MAIN, "edgebuild.yaml": _PROJECT}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a Debian cross GCC has been imported, out of unpacked packages that were never installed."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "sysroots").mkdir()
    for suffix in ("yaml", "lock"):
        shutil.copy(_CROSS / f"{_PACKAGES}.{suffix}", folder / "sysroots")
    unpacked = edgebuild("sysroot", "provide", _PACKAGES, cwd=folder, timeout_s=_BUILD_S).succeed().stdout.strip()
    edgebuild("toolchain", "import", unpacked, "--as", _GCC, cwd=folder, timeout_s=_BUILD_S).succeed()
    return folder


def test_clang_compiles_a_project_against_a_sysroot_and_its_libstdcxx(walker: Path, tmp_path: Path) -> None:
    built = edgebuild("build", "--target", ARM, cwd=walker, timeout_s=_BUILD_S).succeed()
    unpack_tar(walker / "out" / ARM / f"walker-1.0.0-{ARM}.tar.gz", tmp_path, strip=1)
    (program,) = read_elves(tmp_path)
    assert "libstdc++.so.6" in program.needed
    versions = highest_versions(program)
    assert (2, 29) <= parse_version(versions["GLIBC"]) <= (2, 31), "exp() of glibc 2.29 is in Debian 11's"
    assert parse_version(versions["GLIBCXX"]) <= (3, 4, 28)
    assert (
        f"linked by clang against {OLD_ROOT}, glibc 2.31; ours needs GLIBC_{versions['GLIBC']} at most" in built.stderr
    )

    ran = edgebuild("run", "--target", ARM, "--root", OLD_ROOT, "--", "bin/walker", cwd=walker, timeout_s=_EMULATED_S)
    assert ran.succeed().stdout == "caught in a thread, walker, 1\n"


def test_what_a_newer_sysroot_brings_in_is_found_by_the_audit(walker: Path) -> None:
    """Debian 12's glibc on a box with 2.31: told before, compiled, and refused for what the program really needs."""
    words = ("build", "--target", ARM, "--toolchain", "clang", "--sysroot", NEW_ROOT)
    ended = edgebuild("--out", walker / "newer", *words, cwd=walker, timeout_s=_BUILD_S)
    assert ended.code == 5, ended.stderr
    assert f"clang against {NEW_ROOT}, glibc 2.36 is newer than the box's" in ended.stderr
    assert "A102" in ended.stderr and "GLIBC_2.34" in ended.stderr
    assert not (walker / "newer" / ARM).exists()


def test_a_moved_gcc_is_imported_repaired_and_proven(imported: Path) -> None:
    facts = edgebuild("toolchain", "show", _GCC, "--json", cwd=imported).json()
    assert (facts["kind"], facts["gcc"], facts["triple"]) == ("gcc", "10.2.1", "aarch64-linux-gnu")
    assert (facts["glibc"], facts["glibcxx"]) == ("2.31", "3.4.28")
    assert facts["a C++ program needs"]["GLIBC"] == "2.17"
    assert facts["floors"] == [{"arch": "aarch64", "glibc": "2.31", "sysroot": ""}]
    listed = edgebuild("toolchain", "list", "--json", cwd=imported).json()["toolchains"]
    kinds = {each["name"]: each["kind"] for each in listed}
    assert (kinds["clang"], kinds[_GCC], kinds["zig"]) == ("clang", "gcc", "zig")


def test_an_archive_is_the_same_toolchain_as_the_folder_it_was_packed_from(imported: Path, cache: Workspace) -> None:
    _, lock = load_toolchain(_GCC, replace(cache, project=imported))
    assert lock.imported
    archive = cached_path(lock.imported.archive, cache)
    first = edgebuild("toolchain", "provide", _GCC, "--archive", archive, "--json", cwd=imported).json()
    words = ("toolchain", "import", archive, "--as", "again", "--json")
    assert edgebuild(*words, cwd=imported, timeout_s=_BUILD_S).json()["digest"] == first["digest"]


def test_the_core_is_built_by_an_imported_gcc_and_runs(imported: Path) -> None:
    words = ("build", "--target", ARM, "--core-only", "--toolchain", _GCC, "--json")
    (manifest,) = edgebuild(*words, cwd=imported, timeout_s=_BUILD_S).json()["artifacts"]
    runner = manifest["abi"]["bin/edgecore"]
    assert parse_version(runner["GLIBC"]) <= (2, 31) and parse_version(runner["GLIBCXX"]) <= (3, 4, 28)
    ran = edgebuild(
        "run",
        "--target",
        ARM,
        "--root",
        OLD_ROOT,
        "--",
        "bin/edgecore",
        "backends",
        cwd=imported,
        timeout_s=_EMULATED_S,
    )
    names = {json.loads(line)["name"] for line in ran.succeed().stdout.splitlines()}
    assert "cpu" in names


def test_a_gcc_that_is_only_told_a_sysroot_leaks_its_own_and_the_audit_says_so(imported: Path, tmp_path: Path) -> None:
    """Its own glibc and libstdc++ come before the sysroot's; the program then asks an older box for what it lacks.

    As people do it: with the linker script corrected by hand, without which it takes an installed one's C library.
    """
    words = ("toolchain", "provide", _GCC, "--json")
    compiler = edgebuild(*words, cwd=imported, timeout_s=_BUILD_S).json()["cxx"]
    sysroot = edgebuild("sysroot", "provide", NEW_ROOT, timeout_s=_BUILD_S).succeed().stdout.strip()
    (tmp_path / "libc.so").write_text("GROUP ( libc.so.6 libc_nonshared.a AS_NEEDED ( ld-linux-aarch64.so.1 ) )\n")
    (tmp_path / "main.cc").write_text(_MAIN)
    (tmp_path / "app").mkdir()
    flags = (f"--sysroot={sysroot}", f"-L{tmp_path}", "-std=c++17", "-O2", "-pthread", "-Wl,--trace")
    linked = call(compiler, *flags, "main.cc", "-o", "app/walker", cwd=tmp_path, timeout_s=_BUILD_S).succeed()
    libc = [line for line in linked.stdout.splitlines() if line.endswith("libc.so.6")]
    assert libc and not any(line.startswith(sysroot) for line in libc), "it takes the sysroot's: no trap any more?"

    box = REPOSITORY / "tests" / "corpus" / "contracts" / "old-box.yaml"
    ended = edgebuild("audit", tmp_path / "app", "--contract", box)
    assert ended.code == 5, ended.stderr
    assert "A102" in ended.stdout
    assert "GLIBC_2.29" in ended.stdout and "GLIBCXX_3.4.26" in ended.stdout
