"""Which of the core's files decide what is compiled, and a proof after each compilation that none was forgotten."""

from __future__ import annotations

import os
import re
from pathlib import Path

from edgebuild.build import cmake
from edgebuild.digest import digest_tree
from edgebuild.errors import BuildError
from edgebuild.run import Command, Runner

# What the compiled core depends on; bindings, recipes, benchmarks and prose are not in it.
CORE_SOURCES = ("CMakeLists.txt", "cmake/**/*", "include/**/*", "src/**/*", "app/**/*", "backends/**/*", "tests/**/*")
# Beside a backend's code lie its page and its tests' own programs, models, projects and locks. Everything else counts,
# whatever it is called.
_NOT_COMPILED = (
    "backends/**/*.md",
    "backends/**/*.lock",
    "backends/*/tests/**/*.py",
    *(f"backends/*/tests/{folder}/**/*" for folder in ("convert", "parts", "sdk")),
)


def sources_digest(source: Path, more: tuple[str, ...] = ()) -> str:
    """more: patterns of what else counts."""
    return digest_tree(source, only=(*CORE_SOURCES, *more), but=_NOT_COMPILED)


def require_counted(source: Path, tree: Path, run: Runner) -> None:
    """What a compilation read and the digest leaves out would be kept as made from what it no longer is.

    Raises BuildError.
    """
    if read := read_uncounted(source, tree, run):
        msg = f"{read[0]}: the core's build reads it, and it does not count in the core's digest"
        raise BuildError(msg, f"give it another folder or suffix: left out are {', '.join(_NOT_COMPILED)}.")


def read_uncounted(source: Path, tree: Path, run: Runner) -> list[Path]:
    """Files that were left out and that CMake included, a command names or takes, a compiler listed as a header or
    CMake's scripts install from where it lies; or that lie below a folder of tests of which any of this is true.
    """
    asked = (("query", "build.ninja"), ("inputs", "all"), ("commands",), ("deps",))
    known = [run(Command(cmake.tool("ninja"), "-C", tree, "-t", *words)).stdout for words in asked]
    known += [path.read_text() for path in tree.rglob("cmake_install.cmake")]
    # A folder's name may have spaces, which some of these escape.
    text = re.sub(r"[\\'\"]", "", "\n".join(known)).replace(str(source), "/SOURCE")
    named = {os.path.normpath(tree / word) for word in set(re.split(r"[\s;=()]+", text))}
    left_out = sorted(path for pattern in _NOT_COMPILED for path in source.glob(pattern) if path.is_file())

    def is_read(path: Path) -> bool:
        inner = path.relative_to(source)
        below_tests = (folder for folder in inner.parents if len(folder.parts) > len(("backends", "NAME", "tests")))
        return any(f"/SOURCE/{name}" in named for name in (inner, *below_tests))

    return [path for path in left_out if is_read(path)]
