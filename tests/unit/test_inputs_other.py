"""What kind of file it is, whatever is in it; and what a wheel says of itself."""

from __future__ import annotations

import importlib.util
import os
import random
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from edgebuild.errors import ConfigError, VerificationError
from edgebuild.inputs.other import minor_of, read_other
from edgebuild.inputs.wheel import read_wheel_facts
from edgebuild.model.tree import OtherFile

ARM, DESK = 183, 62


def elf(machine: int, order: str = "<") -> bytes:
    ident = b"\x7fELF\2" + (b"\1" if order == "<" else b"\2") + b"\1" + b"\0" * 9
    return ident + struct.pack(f"{order}HH", 1, machine) + b"\0" * 13


def member(label: str, content: bytes, *, thin: bool = False) -> bytes:
    header = f"{label:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n".encode()
    return header if thin else header + content + b"\n" * (len(content) % 2)


def read(tmp_path: Path, name: str, content: bytes, mode: int = 0o644) -> OtherFile | None:
    path = tmp_path / Path(name).name
    path.write_bytes(content)
    path.chmod(mode)
    return read_other(path, name)


# ---- Scripts ----


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"#!/bin/sh\necho\n", "/bin/sh"),
        (b"#! /usr/bin/env python3 \nx", "/usr/bin/env python3"),
        (b"#!/bin/sh -e", "/bin/sh -e"),
        (b"#!/bin/sh\r\necho\r\n", "/bin/sh\r"),
        (b"#!python\n", "python"),
        (b"#!/bin/" + b"x" * 900, "/bin/" + "x" * 249),
    ],
)
def test_the_first_line_of_a_script(content: bytes, value: str, tmp_path: Path) -> None:
    assert read(tmp_path, "bin/a", content) == OtherFile(name="bin/a", kind="script", value=value)


def test_the_x_bit_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, "a", b"#!/bin/sh\n", 0o755)
    assert found
    assert found.executable


@pytest.mark.parametrize("content", [b"", b"#", b"#!\n", b"#! \n", b"#!\0\1\2", b"plain text", b"\x7fELX"])
def test_files_about_which_nothing_has_to_be_said(content: bytes, tmp_path: Path) -> None:
    assert read(tmp_path, "a", content) is None


# ---- Compiled Python ----


@pytest.mark.parametrize(
    ("magic", "minor"),
    [
        (62211, "2.7"), (3350, "3.5"), (3379, "3.6"), (3394, "3.7"), (3413, "3.8"), (3425, "3.9"), (3439, "3.10"),
        (3495, "3.11"), (3531, "3.12"), (3571, "3.13"), (3627, "3.14"), (3650, "3.15"), (3449, ""), (3700, ""), (0, ""),
    ],
)  # fmt: skip
def test_magic_numbers_of_released_pythons(magic: int, minor: str, tmp_path: Path) -> None:
    assert minor_of(magic) == minor
    found = read(tmp_path, "a.pyc", struct.pack("<H", magic) + b"\r\n" + b"\0" * 12)
    assert found == OtherFile(name="a.pyc", kind="pyc", value=minor)


def test_the_python_that_runs_this_is_known() -> None:
    magic = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
    assert minor_of(magic) == f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize("content", [b"", b"\x61\x0d", b"print('hello, world')\n", struct.pack("<H", 3425) + b"\r\n"])
def test_what_is_no_compiled_python_is_damaged(content: bytes, tmp_path: Path) -> None:
    found = read(tmp_path, "a.pyc", content)
    assert found
    assert found.kind == "damaged"


# ---- Archives ----


@pytest.mark.parametrize(
    ("members", "machines"),
    [
        ([], ""),
        ([member("a.o/", elf(ARM))], "EM_AARCH64"),
        ([member("/", b"index" * 7), member("a.o/", elf(ARM)), member("b.o/", elf(DESK))], "EM_AARCH64 EM_X86_64"),
        ([member("//", b"a_long_name_of_an_object.o/\n"), member("/0", elf(ARM))], "EM_AARCH64"),
        ([member("#1/8", b"long.o\0\0" + elf(ARM))], "EM_AARCH64"),
        ([member("/SYM64/", b"\0" * 9), member("a.o/", elf(21, ">"))], "EM_PPC64"),
        ([member("a.bc/", b"BC\xc0\xde" + b"\0" * 40), member("b.o/", b"")], ""),
        ([member("prog.o/", elf(247)), member("a.o/", elf(ARM))], "EM_AARCH64"),
    ],
)
def test_machines_of_an_archive(members: list[bytes], machines: str, tmp_path: Path) -> None:
    found = read(tmp_path, "libx.a", b"!<arch>\n" + b"".join(members))
    assert found == OtherFile(name="libx.a", kind="archive", value=machines)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (member("a.o/", elf(ARM))[:70], "truncated"),
        (member("a.o/", elf(ARM)) + b"rubbish", "no member's header"),
        (b"x" * 60, "no member's header"),
        (b"a.o/".ljust(48) + b"99999999x `\n", "no size"),
        (b"a.o/".ljust(48) + b"-5".ljust(10) + b"`\n", "no size"),
        (b"a.o/".ljust(48) + b"9999999999`\n", "truncated"),
        (member("#1/99999", b"short"), "member's name"),
        (member("#1/x", b"short"), "member's name"),
    ],
)
def test_a_broken_archive_is_damaged(content: bytes, says: str, tmp_path: Path) -> None:
    found = read(tmp_path, "libx.a", b"!<arch>\n" + content)
    assert found
    assert found.kind == "damaged"
    assert says in found.value


def test_a_thin_archive_has_its_members_beside_it(tmp_path: Path) -> None:
    (tmp_path / "obj").mkdir()
    (tmp_path / "obj" / "a.o").write_bytes(elf(DESK))
    content = b"!<thin>\n" + member("//", b"obj/a.o/\n") + member("/0", elf(DESK), thin=True)
    assert read(tmp_path, "libx.a", content) == OtherFile(name="libx.a", kind="archive", value="EM_X86_64")


@pytest.mark.parametrize("name", ["gone.o", "../outside.o", "{absolute}", "link.o"])
def test_a_thin_archive_without_its_members_is_damaged(name: str, tmp_path: Path) -> None:
    """Nothing outside its folder is opened: what the archive names is not trusted."""
    outside = tmp_path / "outside.o"
    outside.write_bytes(elf(ARM))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "link.o").symlink_to(outside)
    name = name.format(absolute=outside)
    content = b"!<thin>\n" + member("//", f"{name}/\n".encode()) + member("/0", elf(ARM), thin=True)
    found = read(tmp_path / "lib", "libx.a", content)
    assert found
    assert (found.kind, "beside it" in found.value) == ("damaged", True)


def test_a_package_inside_is_no_static_archive(tmp_path: Path) -> None:
    assert read(tmp_path, "x.deb", b"!<arch>\n" + member("debian-binary", b"2.0\n")) is None


# ---- Anything ----


def test_a_pointer_of_git_lfs_is_not_the_model(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
    found = read(tmp_path, "face.onnx", pointer)
    assert found
    assert (found.kind, "Git LFS" in found.value) == ("damaged", True)
    assert read(tmp_path, "notes.txt", pointer) is None


def test_garbage_never_raises(tmp_path: Path) -> None:
    chance = random.Random(4)
    heads = (b"!<arch>\n", b"!<thin>\n", b"#!", b"", b"\x08\x08", b"\x6f\x0d\r\n")
    valid = member("//", b"long/\n") + member("/0", elf(ARM)) + member("#1/4", b"ab.o" + elf(DESK))
    for turn in range(600):
        body = bytearray(valid if turn % 2 else chance.randbytes(200))
        for _ in range(chance.randrange(6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        name = chance.choice(["a.a", "a.pyc", "a.onnx", "a"])
        found = read(tmp_path, name, chance.choice(heads) + bytes(body[: chance.randrange(len(body))]))
        assert found is None or found.name == name


def test_what_cannot_be_read_is_told_and_a_pipe_is_left_alone(tmp_path: Path) -> None:
    found = read_other(tmp_path / "gone", "gone")
    assert found
    assert (found.kind, "cannot be read" in found.value) == ("damaged", True)
    os.mkfifo(tmp_path / "pipe")
    assert read_other(tmp_path / "pipe", "pipe") is None


# ---- Wheels ----


def wheel(tmp_path: Path, name: str, text: str | None, folder: str = "my_tool-1.0.dist-info") -> Path:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("my_tool/__init__.py", "")
        if text is not None:
            archive.writestr(f"{folder}/WHEEL", text)
    return path


NAME = "my_tool-1.0-1-cp39-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"


@pytest.mark.parametrize("folder", ["my_tool-1.0.dist-info", "My.Tool-1.0.dist-info"])
def test_a_wheel_says_its_tags_twice(folder: str, tmp_path: Path) -> None:
    text = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: cp39-abi3-linux_aarch64\nTag: py2.py3-none-any\n"
    facts = read_wheel_facts(wheel(tmp_path, NAME, text, folder))
    assert facts.file == NAME
    assert facts.tags == ("cp39-abi3-manylinux2014_aarch64", "cp39-abi3-manylinux_2_17_aarch64")
    assert facts.wheel_tags == ("cp39-abi3-linux_aarch64", "py2-none-any", "py3-none-any")
    assert facts.pure


def test_a_wheel_is_not_pure_unless_it_says_so(tmp_path: Path) -> None:
    assert not read_wheel_facts(wheel(tmp_path, NAME, "Wheel-Version: 1.0\n")).pure


@pytest.mark.parametrize("name", ["my_tool.whl", "my_tool-1.0-cp39.whl", "my_tool-x y-py3-none-any.whl", "a.zip"])
def test_a_name_that_no_wheel_has(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not the name of a wheel"):
        read_wheel_facts(wheel(tmp_path, name, "Wheel-Version: 1.0\n"))


@pytest.mark.parametrize(
    ("text", "folder"),
    [(None, ""), ("Tag: py3-none-any", "other-1.0.dist-info"), ("Tag: nonsense", "my_tool-1.0.dist-info")],
)
def test_a_wheel_that_no_installer_could_read(text: str | None, folder: str, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="my_tool"):
        read_wheel_facts(wheel(tmp_path, NAME, text, folder))


def test_mutated_wheels_are_refused_with_a_message(tmp_path: Path) -> None:
    chance = random.Random(4)
    whole = wheel(tmp_path, NAME, "Tag: cp39-abi3-linux_aarch64\n").read_bytes()
    refused = 0
    for _ in range(400):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 9)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        (tmp_path / NAME).write_bytes(body[: chance.choice([len(body), chance.randrange(len(body))])])
        try:
            read_wheel_facts(tmp_path / NAME)
        except VerificationError as err:
            refused += bool(err.message)
    assert refused > 100
