"""The core's digest: what its build reads counts, and what lies beside it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgebuild.build import cmake
from edgebuild.build.core_sources import read_uncounted, require_counted, sources_digest
from edgebuild.errors import BuildError
from edgebuild.run import Command, run
from edgebuild.workspace import shipped_data

CORE = shipped_data() / "cpp_core"
LEFT_OUT = (
    "backends/acme/README.md",
    "backends/acme/tests/models.lock",
    "backends/acme/tests/test_acme.py",
    "backends/acme/tests/convert/run",
    "backends/acme/tests/parts/affine.acme",
    "backends/acme/tests/sdk/shop/CMakeLists.txt",
)
COUNTED = (
    "CMakeLists.txt",
    "cmake/FindAcme.cmake",
    "include/edgecore/acme.h",
    "backends/acme/CMakeLists.txt",
    "backends/acme/abi/functions.yaml",
    "backends/acme/kernels/resize.cu",
    "backends/acme/tools/compile.py",
    "backends/acme/tests/acme.cmake",
    "backends/acme/tests/stub/acme.cc",
    "backends/acme/tests/stub/acme.unheard-of",
    "tests/unit/cases.py",
)


def edit(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("edited\n")


def test_what_the_compilation_does_not_read_compiles_nothing_anew(tmp_path: Path) -> None:
    before = sources_digest(tmp_path)
    for name in LEFT_OUT:
        edit(tmp_path / name)
    assert sources_digest(tmp_path) == before
    assert sources_digest(tmp_path, ("backends/**/*.md",)) == before, "left out is left out"


@pytest.mark.parametrize("name", COUNTED)
def test_everything_else_counts_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    before = sources_digest(tmp_path)
    edit(tmp_path / name)
    assert sources_digest(tmp_path) != before


def test_a_test_of_a_real_backend_is_edited_without_compiling(tmp_path: Path) -> None:
    copy = tmp_path / "cpp_core"
    shutil.copytree(
        CORE, copy, ignore=shutil.ignore_patterns("__pycache__", "CMakeUserPresets.json", "compile_commands.json")
    )
    assert sources_digest(copy) == sources_digest(CORE)
    for path in (*copy.glob("backends/*/README.md"), *copy.glob("backends/*/tests/**/*.py")):
        edit(path)
    assert sources_digest(copy) == sources_digest(CORE)


# ---- After each compilation, by a project that needs no compiler ----

READS = {
    "tests/convert/more.cmake": "include(backends/acme/tests/convert/more.cmake)",
    "tests/depends.py": "add_custom_command(OUTPUT made COMMAND ${CMAKE_COMMAND} -E touch made"
    " DEPENDS ${PROJECT_SOURCE_DIR}/backends/acme/tests/depends.py)\nadd_custom_target(x ALL DEPENDS made)",
    "tests/word.py": "add_custom_target(y ALL COMMAND sh -n"
    ' "${PROJECT_SOURCE_DIR}/backends/acme/kernels/../tests/word.py" VERBATIM)',
    "tests/sdk/acme.h": 'file(WRITE ${PROJECT_BINARY_DIR}/other.d "other: ${HERE}/backends/acme/tests/sdk/acme.h\\n")\n'
    "add_custom_command(OUTPUT other COMMAND ${CMAKE_COMMAND} -E touch other DEPFILE ${PROJECT_BINARY_DIR}/other.d)\n"
    "add_custom_target(z ALL DEPENDS other)",
    "tests/parts/more/affine.acme": "install(DIRECTORY backends/acme/tests/parts DESTINATION share)",
    "README.md": "install(FILES backends/acme/README.md DESTINATION share)",
}


def build(source: Path, *texts: str) -> Path:
    for name in (*READS, "tests/nobody.py", "kernels/resize.cu"):
        path = source / "backends/acme" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    start = "cmake_minimum_required(VERSION 3.23)\nproject(x LANGUAGES NONE)"
    escaped = 'string(REPLACE " " "\\\\ " HERE ${PROJECT_SOURCE_DIR})'  # as compilers write names of headers
    (source / "CMakeLists.txt").write_text("\n".join((start, escaped, *texts, "")))
    tree = source.parent / "tree"
    program = f"-DCMAKE_MAKE_PROGRAM={cmake.tool('ninja')}"
    run(Command(cmake.tool("cmake"), "-S", source, "-B", tree, "-G", "Ninja", program))
    run(cmake.build_command(tree))
    return tree


def test_a_file_that_was_left_out_and_is_read_all_the_same_is_found_however_it_is_read(tmp_path: Path) -> None:
    source = tmp_path / "of a person" / "source"
    read = read_uncounted(source, build(source, *READS.values()), run)
    assert {path.relative_to(source / "backends/acme").as_posix() for path in read} == READS.keys()


def test_such_a_build_ends_and_one_that_reads_none_of_them_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    require_counted(source, build(source), run)
    with pytest.raises(BuildError, match=r"backends/acme/README\.md: the core's build reads it"):
        require_counted(source, build(source, READS["README.md"]), run)
