"""A wheel's name follows from what is inside, and a wheel that contradicts itself is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.errors import BuildError, ConfigError, VerificationError
from edgebuild.model.arch import ARCHES
from edgebuild.model.elf import ElfFacts
from edgebuild.model.product import Sysroot
from edgebuild.model.target import PythonSpec
from edgebuild.package import wheel_file
from edgebuild.package.wheel import choose_pybind11, gather_headers, render_local_toolchain, wheel_command
from edgebuild.package.wheel_tag import platform_tag, soabi, wheel_tag
from tests.elf_writer import Elf, write_elf
from tests.unit.test_debug import TOOLCHAIN

ARM = ARCHES["aarch64"]
PYTHON = PythonSpec(version="3.9", headers="debian-11-arm64")
TAG = "cp39-cp39-manylinux_2_17_aarch64"
MODULE = "edgecore/_core.cpython-39-aarch64-linux-gnu.so"
METADATA = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: cp39-cp39-linux_aarch64\n"
EXTENSION = Elf(needed=("libc.so.6",), needs={"libc.so.6": {"GLIBC_2.17": ("f",)}}, exports=("PyInit__core",))


def facts(name: str = "x.so", *, needed: tuple[str, ...] = (), **families: str) -> ElfFacts:
    """An ELF file that needs these versions: facts(GLIBC="2.28")."""
    nodes = {f"{family}_{version}": () for family, version in families.items()}
    return ElfFacts(
        name=name,
        machine="EM_AARCH64",
        bits=64,
        endianness="little",
        kind="shared",
        needed=needed,
        needed_versions={"libc.so.6": nodes},
    )


# ---- Tags ----


@pytest.mark.parametrize(
    ("elves", "platform"),
    [
        ([facts()], "manylinux_2_17_aarch64"),
        ([facts(GLIBC="2.4")], "manylinux_2_17_aarch64"),
        ([facts(GLIBC="2.17"), facts(GLIBC="2.28")], "manylinux_2_28_aarch64"),
        ([facts(GLIBC="2.18")], "manylinux_2_24_aarch64"),
        ([facts(GLIBC="2.29")], "manylinux_2_31_aarch64"),
        # libstdc++ alone can lift the platform: 2.17 goes with gcc 4.8's.
        ([facts(GLIBC="2.17", GLIBCXX="3.4.22")], "manylinux_2_24_aarch64"),
        ([facts(GLIBC="2.28", GLIBCXX="3.4.22", CXXABI="1.3.11", GCC="4.5.0")], "manylinux_2_28_aarch64"),
        ([facts(GLIBC="2.28", GLIBCXX="3.4.29")], "manylinux_2_34_aarch64"),
        ([facts(GLIBC="2.17", GCC="7.0.0")], "manylinux_2_27_aarch64"),
        # Nodes of bundled libraries say nothing about the platform.
        ([facts(GLIBC="2.17", LIBAVCODEC="59")], "manylinux_2_17_aarch64"),
    ],
)
def test_the_platform_is_the_oldest_that_loads_everything(elves: list[ElfFacts], platform: str) -> None:
    assert platform_tag(elves, ARM) == platform


def test_no_platform_is_guessed_for_a_glibc_from_the_future() -> None:
    with pytest.raises(VerificationError, match=r"x\.so needs GLIBC_2\.99"):
        platform_tag([facts(GLIBC="2.99")], ARM)


def test_a_library_from_outside_the_wheel_is_refused() -> None:
    with pytest.raises(VerificationError, match=r"x\.so: needs libssl\.so\.3"):
        platform_tag([facts(needed=("libc.so.6", "libssl.so.3"))], ARM)
    bundled = facts("edgecore/lib/libssl.so.3")
    assert platform_tag([facts(needed=("libssl.so.3", "ld-linux-aarch64.so.1")), bundled], ARM)


@pytest.mark.parametrize(
    ("version", "expected_soabi", "expected_tag"),
    [
        ("3.7", "cpython-37m-aarch64-linux-gnu", "cp37-cp37m-manylinux_2_17_aarch64"),
        ("3.9", "cpython-39-aarch64-linux-gnu", "cp39-cp39-manylinux_2_17_aarch64"),
        ("3.11", "cpython-311-aarch64-linux-gnu", "cp311-cp311-manylinux_2_17_aarch64"),
    ],
)
def test_suffix_and_tag_follow_the_targets_python(version: str, expected_soabi: str, expected_tag: str) -> None:
    python = PythonSpec(version=version, headers="any")
    assert soabi(python, ARM) == expected_soabi
    assert wheel_tag(python, ARM, [facts()]) == expected_tag


# ---- Packing and verification ----


def unpacked_wheel(root: Path, module: str = MODULE, elf: Elf = EXTENSION, metadata: str = METADATA) -> Path:
    files = {
        "edgecore/__init__.py": b"",
        module: write_elf(elf),
        "edgecore-0.1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: edgecore\nVersion: 0.1.0\n",
        "edgecore-0.1.0.dist-info/WHEEL": metadata.encode(),
        "edgecore-0.1.0.dist-info/RECORD": b"stale,sha256=x,1\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / module).chmod(0o755)
    return root


def test_a_packed_wheel_is_true_to_its_name(tmp_path: Path) -> None:
    wheel = wheel_file.pack(unpacked_wheel(tmp_path / "tree"), tmp_path, tag=TAG)
    assert wheel.name == f"edgecore-0.1.0-{TAG}.whl"
    (extension,) = wheel_file.verify(wheel, PYTHON, ARM)
    assert extension.name == MODULE
    with zipfile.ZipFile(wheel) as archive:
        assert f"Tag: {TAG}\n" in archive.read("edgecore-0.1.0.dist-info/WHEEL").decode()
        assert archive.namelist()[-1] == "edgecore-0.1.0.dist-info/RECORD"
        assert archive.getinfo(MODULE).external_attr >> 16 == 0o100755


def test_equal_trees_give_equal_wheels(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = wheel_file.pack(unpacked_wheel(tmp_path / "a" / "tree"), tmp_path / "a", tag=TAG)
    tree = unpacked_wheel(tmp_path / "b" / "tree")
    (tree / MODULE).chmod(0o700)
    second = wheel_file.pack(tree, tmp_path / "b", tag=TAG)
    assert first.read_bytes() == second.read_bytes()


REFUSED = {
    "aarch64 code in an x86-64 module of an x86-64 wheel": (
        {"module": "edgecore/_core.cpython-39-x86_64-linux-gnu.so"},
        "cp39-cp39-manylinux_2_17_x86_64",
        "not named for this Python",
    ),
    "x86-64 suffix on aarch64 code": (
        {"module": "edgecore/_core.cpython-39-x86_64-linux-gnu.so"},
        TAG,
        "not named for this Python",
    ),
    "suffix of another Python": (
        {"module": "edgecore/_core.cpython-311-aarch64-linux-gnu.so"},
        TAG,
        "not named for this Python",
    ),
    "no suffix at all": ({"module": "edgecore/_core.so"}, TAG, "not named for this Python"),
    "x86-64 code": ({"elf": Elf(machine="EM_X86_64", exports=("PyInit__core",))}, TAG, "has code for EM_X86_64"),
    "no extension module": (
        {"module": "edgecore/lib/libx.so.1", "elf": Elf(soname="libx.so.1")},
        TAG,
        "has no extension module",
    ),
    "pure by its own words": (
        {"metadata": METADATA.replace("Purelib: false", "Purelib: true")},
        TAG,
        "Root-Is-Purelib: true",
    ),
    "tag of another Python": ({}, "cp311-cp311-manylinux_2_17_aarch64", f"which is {TAG}"),
    "tag of another machine": ({}, "cp39-cp39-manylinux_2_17_x86_64", f"which is {TAG}"),
    "ABI tag lost": ({}, "cp39-none-manylinux_2_17_aarch64", f"which is {TAG}"),
    "platform older than the code": (
        {"elf": Elf(needs={"libc.so.6": {"GLIBC_2.31": ("f",)}}, exports=("PyInit__core",))},
        TAG,
        "which is cp39-cp39-manylinux_2_31_aarch64",
    ),
    "platform newer than the code": ({}, "cp39-cp39-manylinux_2_31_aarch64", f"which is {TAG}"),
}


@pytest.mark.parametrize(("changes", "tag", "says"), REFUSED.values(), ids=REFUSED)
def test_a_wheel_that_contradicts_itself_is_refused(changes: dict, tag: str, says: str, tmp_path: Path) -> None:
    wheel = wheel_file.pack(unpacked_wheel(tmp_path / "tree", **changes), tmp_path, tag=tag)
    with pytest.raises(VerificationError, match=r"edgecore-0\.1\.0-") as caught:
        wheel_file.verify(wheel, PYTHON, ARM)
    assert says in caught.value.message


def rewrite(wheel: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


TAMPERED: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "changed": (lambda files: files.update({"edgecore/__init__.py": b"import os\n"}), "another digest or size"),
    "added": (lambda files: files.update({"edgecore/extra.py": b""}), "differ in edgecore/extra.py"),
    "removed": (lambda files: files.pop("edgecore/__init__.py"), "differ in edgecore/__init__.py"),
    "no record": (lambda files: files.pop("edgecore-0.1.0.dist-info/RECORD"), "has 0 RECORD files"),
    "no metadata": (lambda files: files.pop("edgecore-0.1.0.dist-info/WHEEL"), "has 0 WHEEL files"),
}


@pytest.mark.parametrize(("change", "says"), TAMPERED.values(), ids=TAMPERED)
def test_record_is_checked_against_the_contents(
    change: Callable[[dict[str, bytes]], object], says: str, tmp_path: Path
) -> None:
    wheel = wheel_file.pack(unpacked_wheel(tmp_path / "tree"), tmp_path, tag=TAG)
    rewrite(wheel, change)
    with pytest.raises(VerificationError) as caught:
        wheel_file.verify(wheel, PYTHON, ARM)
    assert says in caught.value.message


def test_a_renamed_wheel_is_refused(tmp_path: Path) -> None:
    wheel = wheel_file.pack(unpacked_wheel(tmp_path / "tree"), tmp_path, tag=TAG)
    renamed = wheel.rename(tmp_path / "edgecore-0.1.0-py3-none-any.whl")
    with pytest.raises(VerificationError, match=f"WHEEL says {TAG}, the file name py3-none-any"):
        wheel_file.verify(renamed, PYTHON, ARM)


# ---- What scikit-build-core is told ----


def test_the_build_is_told_everything_that_the_hosts_python_would_get_wrong() -> None:
    scratch = Path("/scratch")
    command = wheel_command(Path("/source"), scratch, Path("/tc.cmake"), {"A": "b"}, PYTHON, TOOLCHAIN)
    assert command.argv[1:4] == ("-m", "build", "--wheel")
    assert {
        "-Ccmake.toolchain-file=/tc.cmake",
        "-Ccmake.python-hints=false",
        "-Cwheel.tags=cp39-cp39-linux_aarch64",
        "-Cinstall.strip=false",
        "-Ccmake.define.A=b",
        "-Cbuild-dir=/scratch/build",
    } <= set(command.argv)
    assert command.env["SETUPTOOLS_EXT_SUFFIX"] == ".cpython-39-aarch64-linux-gnu.so"
    assert command.env["CXXFLAGS"] is None


def test_the_random_scratch_folder_gets_a_name_of_its_own_last() -> None:
    text = render_local_toolchain(Path("/tc.cmake"), Path("/scratch/wheel-x1"))
    assert text.splitlines() == [
        'include("/tc.cmake")',
        'string(APPEND CMAKE_CXX_FLAGS_INIT " -ffile-prefix-map=/scratch/wheel-x1=wheel")',
    ]


def test_headers_are_pythons_own_with_the_machines_configuration(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("usr/include/python3.9/cpython", "usr/include/aarch64-linux-gnu/python3.9"):
        (root / folder).mkdir(parents=True)
    (root / "usr/include/stdio.h").write_text("")
    (root / "usr/include/python3.9/Python.h").write_text("")
    (root / "usr/include/python3.9/pyconfig.h").write_text("#include <aarch64-linux-gnu/python3.9/pyconfig.h>\n")
    machine = "#define HAVE_CRYPT_H 1\n#define SIZEOF_LONG 8\n"
    (root / "usr/include/aarch64-linux-gnu/python3.9/pyconfig.h").write_text(machine)
    sysroot = Sysroot(name="debian-11-arm64", digest="0", arch=ARM, glibc="2.31", root=root)

    gather_headers(sysroot, PYTHON, tmp_path / "include")
    assert sorted(path.name for path in (tmp_path / "include").iterdir()) == ["Python.h", "cpython", "pyconfig.h"]
    assert "SIZEOF_LONG 8" in (tmp_path / "include/pyconfig.h").read_text()
    assert "#define HAVE_CRYPT_H" not in (tmp_path / "include/pyconfig.h").read_text()

    with pytest.raises(BuildError, match=r"no headers of Python 3\.11"):
        gather_headers(sysroot, PythonSpec(version="3.11", headers="x"), tmp_path / "other")


@pytest.mark.parametrize(
    ("python", "version"), [("3.7", "2.13.6"), ("3.8", "3.0.4"), ("3.9", "3.1.0"), ("3.13", "3.1.0")]
)
def test_every_python_gets_the_newest_pybind11_that_supports_it(python: str, version: str) -> None:
    number, download = choose_pybind11(python)
    assert (number, download.pypi, download.file) == (version, "pybind11", f"pybind11-{version}-py3-none-any.whl")


def test_a_python_that_no_locked_pybind11_supports_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no pybind11 for Python 3\.6 is locked") as caught:
        choose_pybind11("3.6")
    assert "3.7" in caught.value.hint
