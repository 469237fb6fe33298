"""backends/NAME/abi/functions.yaml is what a backend looks up in the vendor's libraries, no less and no more."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edgebuild.config.sdk import load_backend_functions
from edgebuild.log import Log
from edgebuild.model.sdk import BackendFunctions
from edgebuild.workspace import Workspace

BACKENDS = Path(__file__).resolve().parents[2] / "cpp_core" / "backends"
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
# Where the name of a library to open stands: in a constant, or put together.
_NAMED = re.compile(r"(?:constexpr|snprintf\()[^;]*;")
_LIBRARY = re.compile(r'"(lib[\w+-]+)\.so[\w.%]*"')


def code_of(backend: Path) -> str:
    """Its sources without comments and tests."""
    sources = (path for path in sorted(backend.rglob("*")) if path.suffix in (".cc", ".h", ".inc"))
    return "\n".join(
        _COMMENT.sub("", path.read_text()) for path in sources if "tests" not in path.relative_to(backend).parts
    )


def family(functions: tuple[str, ...]) -> re.Pattern[str] | None:
    """What a vendor's functions begin with, where they have that in common: "ab" and a capital, "ab_"."""
    start = os.path.commonprefix(functions) if len(functions) > 1 else ""  # noqa: RUF071 (of characters)
    matched = re.match(r"[A-Za-z]+_|(?:[A-Z][a-z]+)+(?![a-z])|[a-z]{2,}(?![a-z])", start)
    if matched is None:
        return None
    return re.compile(rf"\b{matched[0]}\w+" if matched[0].endswith("_") else rf"\b{matched[0]}[A-Z]\w*")


def differences(backend: Path, listed: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Of a backend's sources and its list."""
    code = code_of(backend)
    words = set(re.findall(r"\w+", code))
    names = {each.removesuffix("?") for functions in listed.values() for each in functions}
    yield from (f"{each} is listed, and nothing looks it up" for each in sorted(names - words))
    families = {found for functions in listed.values() if (found := family(functions))}
    called = {word for each in families for word in each.findall(code) if not word.endswith("_t")}
    # A function may be exported under a longer name: f is called, and f_v2 looked up.
    yield from (
        f"{word} is not listed" for word in sorted(called - names) if not any(name.startswith(word) for name in names)
    )
    opened = {name for statement in _NAMED.findall(code) for name in _LIBRARY.findall(statement)}
    stems = {library.partition(".so")[0] for library in listed}
    yield from (f"{name}.so is opened, and not listed" for name in sorted(opened - stems))


def listed_functions() -> dict[str, BackendFunctions]:
    return load_backend_functions(Workspace.open(project=BACKENDS.parents[1], out=None, log=Log(quiet=True)))


@pytest.mark.parametrize("backend", sorted(listed_functions()))
def test_a_backend_lists_what_its_sources_look_up(backend: str) -> None:
    assert list(differences(BACKENDS / backend, listed_functions()[backend])) == []


def test_every_backend_that_looks_something_up_has_a_list() -> None:
    seeking = {folder.name for folder in BACKENDS.iterdir() if folder.is_dir() and "dlsym(" in code_of(folder)}
    assert "cpu" in seeking
    assert seeking <= set(listed_functions())


SOURCE = """
constexpr char kSoname[] = "libacme.so.2";
constexpr const char* kSymbols[] = {"acmeOpen", "acmeClose_v2"};  // acmeForget is not called
check(api.acmeClose(device), "acmeClose");
"""


@pytest.mark.parametrize(
    ("source", "functions", "said"),
    [
        (SOURCE, ("acmeOpen", "acmeClose_v2"), []),
        (SOURCE, ("acmeOpen", "acmeClose_v2", "acmeRun?"), ["acmeRun is listed, and nothing looks it up"]),
        (SOURCE.replace("}", ', "acmeRun"}'), ("acmeOpen", "acmeClose_v2"), ["acmeRun is not listed"]),
        (
            SOURCE.replace('"acmeOpen", ', ""),
            ("acmeOpen", "acmeClose_v2"),
            ["acmeOpen is listed, and nothing looks it up"],
        ),
        (SOURCE.replace("libacme", "libbolt"), ("acmeOpen", "acmeClose_v2"), ["libbolt.so is opened, and not listed"]),
    ],
)
def test_a_list_that_is_wrong_is_noticed(
    source: str, functions: tuple[str, ...], said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "runtime.cc").write_text(source)
    assert list(differences(tmp_path, {"libacme.so.*": functions})) == said
