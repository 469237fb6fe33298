"""ELF facts are read from any ELF file, whatever it is called; what is not a whole one is refused in words."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from edgebuild.elf import highest_versions, read_elf, read_elves
from edgebuild.errors import AuditError
from edgebuild.model.elf import VersionNode
from tests.elf_writer import Elf, write_elf

LIBRARY = Elf(
    needed=("libm.so.6", "libc.so.6"),
    soname="libx.so.1",
    runpath="$ORIGIN:$ORIGIN/../lib",
    needs={
        "libm.so.6": {"GLIBC_2.29": ("pow",), "GLIBC_2.4": ("sin", "cos")},
        "libc.so.6": {"GLIBC_2.17": ("malloc",), "GLIBC_2.36": ("maybe",)},
    },
    weak=("GLIBC_2.36",),
    defines=("libx.so.1", "X_1.0"),
    exports=("edge_open",),
    build_id=b"\xab\xcd\xef",
    debug=True,
)


def place(folder: Path, name: str, elf: Elf) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_elf(elf))
    return path


def test_every_fact_is_read(tmp_path: Path) -> None:
    facts = read_elf(place(tmp_path, "libx.so.1", LIBRARY))
    assert (facts.name, facts.machine, facts.bits, facts.endianness) == ("libx.so.1", "EM_AARCH64", 64, "little")
    assert (facts.kind, facts.soname, facts.interpreter) == ("shared", "libx.so.1", "")
    assert facts.needed == ("libm.so.6", "libc.so.6")
    assert facts.runpath == ("$ORIGIN", "$ORIGIN/../lib")
    assert facts.defined_versions == ("X_1.0", "libx.so.1")
    assert facts.exported == ("edge_open",)
    assert facts.undefined == (
        "cos@GLIBC_2.4",
        "malloc@GLIBC_2.17",
        "maybe@GLIBC_2.36",
        "pow@GLIBC_2.29",
        "sin@GLIBC_2.4",
    )
    assert (facts.build_id, facts.has_debug, facts.exec_stack, facts.alignment) == ("abcdef", True, False, 0x10000)


def test_symbols_are_listed_per_library_and_node_and_weak_nodes_are_no_needs(tmp_path: Path) -> None:
    assert read_elf(place(tmp_path, "x", LIBRARY)).needed_versions == {
        "libm.so.6": {"GLIBC_2.29": ("pow",), "GLIBC_2.4": ("cos", "sin")},
        "libc.so.6": {"GLIBC_2.17": ("malloc",)},
    }


def test_the_highest_version_is_the_highest_number_not_the_last_in_the_alphabet(tmp_path: Path) -> None:
    needs = {"a.so": {"GLIBC_2.4": (), "GLIBC_2.17": ()}, "b.so": {"CXXABI_1.3.11": (), "CXXABI_1.3.9": ()}}
    assert highest_versions(read_elf(place(tmp_path, "x", Elf(needs=needs)))) == {"CXXABI": "1.3.11", "GLIBC": "2.17"}


def test_rpath_counts_only_without_runpath(tmp_path: Path) -> None:
    assert read_elf(place(tmp_path, "a", Elf(rpath="/old"))).runpath == ("/old",)
    assert read_elf(place(tmp_path, "b", Elf(rpath="/old", runpath="$ORIGIN"))).runpath == ("$ORIGIN",)


def test_a_program_with_an_interpreter_and_no_soname_is_an_executable(tmp_path: Path) -> None:
    loader = "/lib/ld-linux-aarch64.so.1"
    assert read_elf(place(tmp_path, "program", Elf(interpreter=loader))).kind == "executable"
    assert read_elf(place(tmp_path, "libc.so.6", Elf(interpreter=loader, soname="libc.so.6"))).kind == "shared"


@pytest.mark.parametrize(
    ("machine", "flags", "executable"),
    [
        ("EM_AARCH64", 6, False),
        ("EM_AARCH64", 7, True),
        ("EM_AARCH64", None, True),
        ("EM_X86_64", None, True),
    ],
)
def test_an_absent_stack_header_means_what_the_loader_assumes(
    machine: str, flags: int | None, executable: bool, tmp_path: Path
) -> None:
    assert read_elf(place(tmp_path, "x", Elf(machine=machine, stack_flags=flags))).exec_stack is executable


def test_a_tree_is_searched_by_magic_and_links_become_names(tmp_path: Path) -> None:
    place(tmp_path, "lib/libx.so.1.2.3", LIBRARY)
    place(tmp_path, "bin/program", Elf())
    (tmp_path / "lib/libx.so.1").symlink_to("libx.so.1.2.3")
    (tmp_path / "lib/dangling.so").symlink_to("nowhere")
    (tmp_path / "lib/fake.so").write_text("INPUT(libx.so.1)")
    (tmp_path / "empty").write_bytes(b"")
    facts = read_elves(tmp_path)
    assert [(elf.name, elf.also) for elf in facts] == [
        ("bin/program", ()),
        ("lib/libx.so.1.2.3", ("lib/libx.so.1",)),
    ]


def test_what_is_no_elf_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("#!/bin/sh\n")
    with pytest.raises(AuditError, match="script: not an ELF file"):
        read_elf(path)


@pytest.mark.parametrize("size_bytes", [4, 16, 64, 200, 500])
def test_a_truncated_file_is_refused(size_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "half.so"
    path.write_bytes(write_elf(LIBRARY)[:size_bytes])
    with pytest.raises(AuditError, match=r"half\.so: (truncated|damaged) ELF file"):
        read_elf(path)


def test_a_file_without_sections_is_read_as_the_loader_reads_it(tmp_path: Path) -> None:
    whole, stripped = tmp_path / "whole.so", tmp_path / "sstripped.so"
    content = bytearray(write_elf(LIBRARY))
    whole.write_bytes(content)
    content[0x28:0x30] = bytes(8)  # e_shoff
    content[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    stripped.write_bytes(content)
    facts = read_elf(stripped, name="x")
    assert facts == msgspec.structs.replace(read_elf(whole, name="x"), has_debug=False)
    assert facts.needed_versions


def test_garbage_gives_facts_or_an_error_in_words_but_nothing_else(tmp_path: Path) -> None:
    dice = random.Random(1)
    path = tmp_path / "garbage.so"
    whole = write_elf(LIBRARY)
    refused = 0
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(dice.choice((1, 4, 30))):
            content[dice.randrange(4, len(content))] = dice.randrange(256)
        path.write_bytes(content)
        try:
            read_elf(path)
        except AuditError as err:
            assert err.message.startswith("garbage.so: ")
            refused += 1
    assert 0 < refused < 300


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("GLIBC_2.31", VersionNode("GLIBC", (2, 31))),
        ("GLIBCXX_3.4.22", VersionNode("GLIBCXX", (3, 4, 22))),
        ("OPENSSL_1_1_0", VersionNode("OPENSSL", (1, 1, 0))),
        ("GLIBC_PRIVATE", VersionNode("GLIBC", ())),
        ("GLIBC_ABI_DT_RELR", VersionNode("GLIBC", (2, 36))),
        ("CXXABI_TM_1", VersionNode("CXXABI", (1, 3, 6))),
        ("libfoo.so.1", VersionNode("libfoo.so.1", ())),
    ],
)
def test_a_version_node_is_a_family_and_a_number(name: str, node: VersionNode) -> None:
    assert VersionNode.parse(name) == node
