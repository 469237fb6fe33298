"""What imported files really are: another machine's, another C library's, or text that names what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.root_source import FolderRoot
from edgebuild.build.sysroot_judge import Judgement, glibc_of, is_stale, judge, machine_of, script_paths
from edgebuild.build.sysroot_links import plan_import
from edgebuild.model.arch import ARCHES
from edgebuild.model.rootfile import ImportWish
from tests.roots import GCC, INTEL, LIB, SMALL, archive, banner, elf, write_root


def judged(root: Path, *, glibc: str = "2.31") -> Judgement:
    plan = plan_import(FolderRoot(root).find(["usr", "lib", "etc"]), ImportWish(static=True), "aarch64")
    return judge(plan, lambda place: root / place, ARCHES["aarch64"], glibc)


def test_a_sound_root_has_nothing_to_judge(tmp_path: Path) -> None:
    assert judged(write_root(tmp_path, SMALL)) == Judgement()


def test_files_of_another_machine_are_found(tmp_path: Path) -> None:
    files = {
        "usr/lib/libhost.so.1": elf(INTEL),
        "usr/lib/libsmall.so.1": elf(bits=32),
        "usr/lib/libmixed.a": archive(elf(), elf(INTEL)),
        "usr/lib/libscript.so": b"OUTPUT_FORMAT(elf64-x86-64)\nGROUP ( libc.so.6 )\n",
        "usr/lib/libgood.a": archive(elf(), b"no ELF at all", elf()),
    }
    assert set(judged(write_root(tmp_path, {**SMALL, **files})).foreign) == set(files) - {"usr/lib/libgood.a"}


def test_static_libraries_of_another_c_library_are_found_together(tmp_path: Path) -> None:
    files = {
        f"{LIB}/libc.a": archive(elf(content=banner("2.27"))),
        f"{LIB}/libm.a": archive(elf()),
        f"{LIB}/libz.a": archive(elf()),
    }
    assert set(judged(write_root(tmp_path, {**SMALL, **files})).stale) == {f"{LIB}/libc.a", f"{LIB}/libm.a"}


@pytest.mark.parametrize(
    ("name", "content", "glibc", "stale"),
    [
        ("libc.a", archive(elf(content=banner("2.31"))), "2.31", False),
        ("libc.a", archive(elf(content=banner("2.3"))), "2.31", True),
        ("libc.a", archive(elf()), "2.31", True),
        ("libpthread.a", archive(elf()), "2.31", False),
        ("libpthread.a", archive(elf()), "2.34", True),
        ("libpthread.a", archive(), "2.36", False),
        ("libdl.a", archive(), "2.31", True),
        ("libm.a", archive(), "2.31", False),
    ],
)
def test_a_static_library_tells_whether_it_fits(name: str, content: bytes, glibc: str, stale: bool) -> None:
    assert is_stale(name, content, glibc) is stale


def test_a_linker_script_that_names_what_is_not_there_is_told(tmp_path: Path) -> None:
    script = f"/* /no/path */ INPUT ( /{LIB}/libc.so.6 /lib/aarch64-linux-gnu/libgone.so.1 AS_NEEDED ( -lm ) )"
    found = judged(write_root(tmp_path, {**SMALL, "usr/lib/libacme.so": script.encode()}))
    assert found.scripts == ("usr/lib/libacme.so: lib/aarch64-linux-gnu/libgone.so.1",) and found.unwanted == ()


def test_what_is_neither_elf_nor_text_is_told(tmp_path: Path) -> None:
    files = {"usr/lib/libhalf.so.1": elf()[:10], "usr/lib/libempty.so": b"", f"{GCC}/libthin.a": b"!<thin>\n"}
    assert set(judged(write_root(tmp_path, {**SMALL, **files})).damaged) == set(files)


def test_paths_of_a_script() -> None:
    text = b"OUTPUT_FORMAT(elf64-littleaarch64)\nGROUP ( /lib/libc.so.6 libm.so.6 /usr/lib/libc_nonshared.a )"
    assert script_paths(text) == ["lib/libc.so.6", "usr/lib/libc_nonshared.a"]


def test_versions_and_machines() -> None:
    assert glibc_of(elf(content=banner("2.36"))) == "2.36" and glibc_of(elf()) == ""
    assert [machine_of(each) for each in (elf(), elf(INTEL), elf(3), b"#!/bin/sh", b"")] == [
        "aarch64", "x86_64", "other", "", "",
    ]  # fmt: skip
