"""How old a userland the shipped files need, read by pyelftools alone, and shown as a table."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from edgebuild.elf import read_elf
from edgebuild.model.elf import VersionNode, parse_version
from edgebuild.unpack import unpack_wheel
from tests.e2e.conftest import Built
from tests.e2e.harness import ARM, NATIVE, OLD_ROOT, REPOSITORY, edgebuild

FLOOR = (2, 17)
MACHINES = {NATIVE: "EM_X86_64", ARM: "EM_AARCH64"}


def needed_versions(path: Path) -> tuple[str, dict[str, tuple[int, ...]]]:
    """Machine, and the highest version per family, e.g. ("EM_AARCH64", {"GLIBC": (2, 17)})."""
    highest: dict[str, tuple[int, ...]] = defaultdict(tuple)
    with path.open("rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for _, nodes in section.iter_versions():
                    for node in nodes:
                        family, _, version = node.name.partition("_")
                        if version and version[0].isdigit():
                            highest[family] = max(highest[family], tuple(map(int, version.split("."))))
        return elf["e_machine"], dict(highest)


def elf_files(built: Built) -> list[Path]:
    return [path for path in built.shipped if path.read_bytes()[:4] == b"\x7fELF"]


def is_onnxruntime(path: Path) -> bool:
    """A module of its own, built by others for GLIBC 2.28 and libstdc++."""
    return path.name.startswith("libonnxruntime.so")


def dotted(version: tuple[int, ...] | None) -> str:
    return ".".join(map(str, version)) if version else "-"


@pytest.mark.parametrize("row", [NATIVE, ARM])
def test_everything_of_ours_needs_glibc_2_17_at_most_and_no_libstdcxx(row: str, request: pytest.FixtureRequest) -> None:
    built: Built = request.getfixturevalue("native" if row == NATIVE else "arm")
    files = elf_files(built)
    needs = {path: needed_versions(path) for path in files}
    for path, (_, versions) in needs.items():
        name = path.relative_to(built.tree).as_posix()
        print(f"{row}  {name:44} GLIBC {dotted(versions.get('GLIBC')):7} GLIBCXX {dotted(versions.get('GLIBCXX'))}")

    assert any(path.name == "edgecore" for path in files)
    assert any(is_onnxruntime(path) for path in files)
    for path, (machine, versions) in needs.items():
        assert machine == MACHINES[row], path
        if not is_onnxruntime(path):
            assert versions.get("GLIBC", ()) <= FLOOR, path
            assert not versions.keys() & {"GLIBCXX", "CXXABI", "GCC"}, path


def test_the_manifest_states_the_same_versions(arm: Built) -> None:
    stated = {Path(name).name: versions.get("GLIBC") for name, versions in arm.manifest["abi"].items()}
    found = {}
    for path in elf_files(arm):
        _, versions = needed_versions(path)
        found[path.name] = dotted(versions["GLIBC"]) if "GLIBC" in versions else None
    assert stated == found


def test_debug_information_travels_apart(arm: Built) -> None:
    (debug,) = arm.products("debug")
    assert debug.stat().st_size > 0
    for path in elf_files(arm):
        with path.open("rb") as file:
            assert ELFFile(file).get_section_by_name(".debug_info") is None, path


def test_what_the_wheels_carry_keeps_the_same_floor(arm: Built, tmp_path: Path) -> None:
    for wheel in arm.products("wheel"):
        tree = tmp_path / wheel.stem
        unpack_wheel(wheel, tree)
        files = [path for path in tree.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
        assert any(path.name.startswith("_core.") for path in files)
        for path in files:
            machine, versions = needed_versions(path)
            assert machine == MACHINES[ARM], path
            if not is_onnxruntime(path):
                assert versions.get("GLIBC", ()) <= FLOOR, path
                assert not versions.keys() & {"GLIBCXX", "CXXABI", "GCC"}, path


@pytest.mark.parametrize("row", [NATIVE, ARM])
def test_a_second_build_with_nothing_changed_makes_nothing(row: str, request: pytest.FixtureRequest) -> None:
    built: Built = request.getfixturevalue("native" if row == NATIVE else "arm")
    made_ns = (built.folder / "manifest.json").stat().st_mtime_ns
    ended = edgebuild("build", "--target", row, timeout_s=60)
    assert ended.code == 0, ended.stderr
    assert "(cached)" in ended.stderr
    assert (built.folder / "manifest.json").stat().st_mtime_ns == made_ns


def test_the_contract_states_what_its_userland_defines() -> None:
    root = Path(edgebuild("sysroot", "path", OLD_ROOT, timeout_s=600).stdout.strip())
    contract = yaml.safe_load((REPOSITORY / "edgebuild/contracts/generic-arm64.yaml").read_text())
    for library, stated in contract["libraries"].items():
        file = next(path for path in sorted((root / "usr/lib").rglob(library)))
        nodes = [VersionNode.parse(name) for name in read_elf(file.resolve()).defined_versions]
        for family, version in stated.items():
            assert max(node.version for node in nodes if node.family == family) == parse_version(version), library
