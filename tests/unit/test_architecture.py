"""The house rules that a reader relies on: one direction of imports, vendors in data only, small files."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DRIVER = REPOSITORY / "edgebuild"

# Rooms from the top down. A module imports from lower layers and from its own room only; the middle rooms
# don't know each other, because only commands/ sees more than one. Every other single file of the driver
# (run.py, fetch.py, ...) is a base room: these may use each other, but not in a circle.
LAYERS = (
    ("__main__",),
    ("cli", "api"),
    ("commands",),
    ("config", "build", "package", "deploy"),
    ("probe", "audit"),
    ("inputs",),
    ("elf",),
    ("base",),
    ("model",),
    ("errors",),
    ("edgebuild",),  # __init__.py: the version
)
DEPTH = {room: depth for depth, rooms in enumerate(LAYERS) for room in rooms}

# Not a list of supported vendors: words that would betray one outside its row, contract or backend folder.
VENDOR_WORDS = re.compile(
    r"jetson|tegra|nvidia|cuda|tensorrt|nvmm|ascend|huawei|atlas|hisilicon|sophon|sophgo|bm1684|bmodel"
    r"|amlogic|vivante|khadas|a311d|cambricon|mlu\d|magicmind|rockchip|rknn|rk3[35]\d\d|qualcomm|hailo",
    re.IGNORECASE,
)
VENDOR_FREE = (
    "edgebuild/**/*.py",
    "cpp_core/*.txt",
    "cpp_core/*.json",
    "cpp_core/cmake/**/*",
    "cpp_core/include/**/*",
    "cpp_core/src/**/*",
    "cpp_core/python/**/*",
    "cpp_core/app/**/*",
    "cpp_core/box/**/*",
    "cpp_core/tests/**/*",
    "toolchains/*",
    ".ci/**/*",
    ".github/**/*",
    "tests/**/*.py",
)
# A mirror or registry belongs to the user's configuration; a path of one machine belongs nowhere.
FOREIGN_PLACE = re.compile(
    r"\bpypi\.org|files\.pythonhosted|deb\.debian\.org|registry\.npmjs|conan\.io\b|center2?\.conan"
    r"|mirrors?\.(?!lock\b)[a-z0-9-]+\.[a-z]{2,}|/home/\w|/work/\w|/root/\w|/tmp/\w",
    re.IGNORECASE,
)
MAX_LINES = 400


def tracked_files() -> list[Path]:
    """What git has, with what it would take; a source archive without git has its files."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listing.stdout.split("\0") if listing.returncode == 0 else []
    files = [REPOSITORY / name for name in names if name] or list(REPOSITORY.rglob("*"))
    return [path for path in files if path.is_file()]


TRACKED = tracked_files()


def text_of(path: Path) -> str:
    """Empty for a binary file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def shown(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def modules() -> list[Path]:
    return [path for path in TRACKED if path.suffix == ".py" and path.is_relative_to(DRIVER)]


def room_of(module: Path) -> str:
    inside = module.relative_to(DRIVER)
    return inside.parts[0] if len(inside.parts) > 1 else "edgebuild" if inside.stem == "__init__" else inside.stem


def imported_rooms(module: Path) -> Iterator[tuple[int, str]]:
    """(line, room) of every import of edgebuild's own, late ones inside functions too."""
    for node in ast.walk(ast.parse(text_of(module))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(module)}:{node.lineno}: imports are absolute"
            names = [node.module or ""] if node.module != "edgebuild" else [f"edgebuild.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "edgebuild":
                room = rest.partition(".")[0]
                yield node.lineno, "edgebuild" if room in ("", "__version__") else room


def is_base(room: str) -> bool:
    return (DRIVER / f"{room}.py").is_file() and room not in DEPTH


def is_allowed(room: str, imported: str) -> bool:
    if room == imported or (is_base(room) and is_base(imported)):
        return True
    depth, imported_depth = (DEPTH["base"] if is_base(each) else DEPTH[each] for each in (room, imported))
    return imported_depth > depth


def test_every_room_of_the_driver_has_its_place() -> None:
    unknown = {room for room in map(room_of, modules()) if room not in DEPTH and not is_base(room)}
    assert not unknown, "say in LAYERS where it stands"


def test_imports_point_one_way() -> None:
    wrong = [
        f"{shown(module)}:{line}: {room_of(module)} -> {room}"
        for module in modules()
        for line, room in imported_rooms(module)
        if not is_allowed(room_of(module), room)
    ]
    assert wrong == []


def test_base_rooms_form_no_circle() -> None:
    needs = {
        room_of(module): {room for _, room in imported_rooms(module) if is_base(room)}
        for module in modules()
        if is_base(room_of(module))
    }
    assert len(needs) > 4
    while free := {room for room, wanted in needs.items() if not wanted}:
        needs = {room: wanted - free for room, wanted in needs.items() if room not in free}
    assert needs == {}


@pytest.mark.parametrize(
    ("room", "imported", "allowed"),
    [
        ("commands", "build", True),
        ("build", "fetch", True),
        ("build", "audit", True),
        ("audit", "inputs", True),
        ("elf", "audit", False),
        ("fetch", "model", True),
        ("build", "config", False),
        ("package", "build", False),
        ("model", "run", False),
        ("errors", "model", False),
    ],
)
def test_the_rule_itself(room: str, imported: str, allowed: bool) -> None:
    assert is_allowed(room, imported) is allowed


def test_only_the_entry_exits() -> None:
    """`edgebuild run` passes a program's own exit code through click; everything else raises."""
    pattern = re.compile(r"\bsys\.exit\(|\bos\._exit\(|\bquit\(|\bSystemExit\b")
    assert {room_of(each) for each in modules() if pattern.search(text_of(each))} == {"__main__", "cli"}


def test_processes_start_in_one_place() -> None:
    """fetch and mirror ask pip and apt how they are configured, before there is a Runner."""
    pattern = re.compile(r"\bsubprocess\.|\bos\.system\(|\bos\.exec")
    wrong = {room_of(each) for each in modules() if pattern.search(text_of(each))} - {"run", "fetch", "mirror"}
    assert wrong == set()


def test_vendors_are_named_in_data_and_in_their_own_folder_only() -> None:
    generic = {path for pattern in VENDOR_FREE for path in REPOSITORY.glob(pattern)} & set(TRACKED)
    generic.discard(Path(__file__).resolve())
    assert len(generic) > 30, "the globs still find the sources"
    assert list(matches(generic, VENDOR_WORDS)) == []


def test_no_file_names_a_mirror_or_a_place_on_one_machine() -> None:
    wanted = [path for path in TRACKED if path != Path(__file__).resolve()]
    assert list(matches(wanted, FOREIGN_PLACE)) == []


def test_files_are_short() -> None:
    kinds = {".py", ".cc", ".h", ".cmake", ".sh"}
    lengths = {shown(path): text_of(path).count("\n") for path in TRACKED if path.suffix in kinds}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_backend_folder_is_a_module_that_the_build_finds() -> None:
    """Or sources that modules share, which then name the folder in their CMakeLists.txt."""
    backends = REPOSITORY / "cpp_core" / "backends"
    inside = (path.relative_to(backends) for path in TRACKED if path.is_relative_to(backends))
    folders = {path.parts[0] for path in inside if len(path.parts) > 1}
    recipes = {
        folder: text_of(backends / folder / "CMakeLists.txt") for folder in folders if is_module(backends / folder)
    }
    shared = folders - recipes.keys()
    assert recipes.keys() >= {"cpu"}
    assert {each for each in shared if not any(f"../{each}/" in recipe for recipe in recipes.values())} == set()


def is_module(folder: Path) -> bool:
    return (folder / "CMakeLists.txt").is_file()


def matches(paths: list[Path] | set[Path], pattern: re.Pattern[str]) -> Iterator[str]:
    for path in sorted(paths):
        if not pattern.search(text_of(path)):
            continue  # line by line only where there is something to show: the suite's CPU is counted
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            if found := pattern.search(line):
                yield f"{shown(path)}:{number}: '{found[0]}' in: {line.strip()[:100]}"


def test_no_two_backends_tests_have_modules_of_one_name() -> None:
    """One pytest process imports them all by their bare names: of two it would take whichever came first."""
    places: dict[str, list[Path]] = {}
    for path in sorted((REPOSITORY / "cpp_core" / "backends").glob("*/tests/**/*.py")):
        places.setdefault(path.name, []).append(path.relative_to(REPOSITORY))
    del places["conftest.py"]  # which pytest tells apart
    assert [each for each in places.values() if len(each) > 1] == []
