"""From a link map to the object or library behind a symbol. Real linkers' maps are in tests/e2e/test_origin.py."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgebuild.audit.link_map import parse_link_map
from edgebuild.audit.origin import attribute, origins, shown
from edgebuild.elf.objects import read_members, read_object
from edgebuild.model.finding import Finding

# As lld 20 and GNU ld 2.40 wrote them, shortened.
LLD = """\
             VMA              LMA     Size Align Out     In      Symbol
         10002a8          10002a8       1b     1 .interp
         10002a8          10002a8       1b     1         <internal>:(.interp)
         1010598          1010598       84     4 .text
         1010598          1010598       48     4         my objects/main.o:(.text)
         1010598          1010598        0     1                 $x.0
         10105e0          10105e0       3c     4         lib/libfoo.a(foo.o):(.text)
         10105e0          10105e0       3c     1                 foo
             1d9              1d9      118     1 .debug_info
             1d9              1d9      118     1         lib/libfoo.a(foo.o):(.debug_info)
"""
GNU = """\
Archive member included to satisfy reference by file (symbol)

lib/libfoo.a(foo.o)           main.o (foo)

Discarded input sections

 .text          0x0000000000000000       0x10 unused.o

Memory Configuration

Linker script and memory map

LOAD main.o
                0x0000000000000270                PROVIDE (__executable_start = SEGMENT_START ("text-segment", 0x0))
 .text.startup  0x0000000000000600       0x18 main.o
                0x0000000000000600                main
 .text          0x0000000000000820       0x3c lib/libfoo.a(foo.o)
 .note.gnu.property
                0x0000000000000860       0x20 lib/libfoo.a(foo.o)
 *fill*         0x0000000000000880        0x4
"""


def object_file(*, defined: tuple[str, ...] = (), undefined: tuple[str, ...] = ()) -> bytes:
    """A 64-bit arm64 object with a symbol table and nothing else."""
    strings, symbols = b"\0", b"\0" * 24
    for section, names in ((1, defined), (0, undefined)):
        for name in names:
            symbols += struct.pack("<IBBHQQ", len(strings), 0x12, 0, section, 0, 0)
            strings += name.encode() + b"\0"
    place = 64 + 3 * 64
    headers = bytes(64)
    headers += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, place, len(strings), 0, 0, 1, 0)
    headers += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, place + len(strings), len(symbols), 1, 1, 8, 24)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return (
        ident + struct.pack("<HHIQQQIHHHHHH", 1, 183, 1, 0, 0, 64, 0, 64, 0, 0, 64, 3, 0) + headers + strings + symbols
    )


def archive(members: dict[str, bytes]) -> bytes:
    """As GNU ar writes it, names beyond 15 letters in "//"."""
    long_names, body = b"", b""
    for name, content in members.items():
        label = f"{name}/" if len(name) < 16 else f"/{len(long_names)}"
        long_names += f"{name}/\n".encode() if len(name) >= 16 else b""
        body += header(label, len(content)) + content + b"\n" * (len(content) % 2)
    names = header("//", len(long_names)) + long_names + b"\n" * (len(long_names) % 2) if long_names else b""
    return b"!<arch>\n" + names + body


def header(name: str, size_bytes: int) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{size_bytes:<10}`\n".encode()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A build tree whose linker ran at its top; the map lies in a folder below."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "my objects").mkdir()
    main = object_file(defined=("main",), undefined=("foo", "puts"))
    (tmp_path / "my objects/main.o").write_bytes(main)
    (tmp_path / "main.o").write_bytes(main)
    members = {
        "foo.o": object_file(defined=("foo",), undefined=("fmod", "puts")),
        "not_linked_at_all.o": object_file(undefined=("exp",)),
    }
    (tmp_path / "lib/libfoo.a").write_bytes(archive(members))
    (tmp_path / "bin").mkdir()
    return tmp_path


def test_lld_maps_name_inputs_and_the_code_that_came_from_them() -> None:
    read = parse_link_map(LLD)
    assert read.inputs == ("my objects/main.o", "lib/libfoo.a(foo.o)")
    assert [(each.address, each.size_bytes, each.source) for each in read.code] == [
        (0x1010598, 0x48, "my objects/main.o"),
        (0x10105E0, 0x3C, "lib/libfoo.a(foo.o)"),
    ]


def test_gnu_maps_too_and_what_was_discarded_is_no_input() -> None:
    read = parse_link_map(GNU)
    assert read.inputs == ("main.o", "lib/libfoo.a(foo.o)")
    assert [(each.address, each.source) for each in read.code] == [(0x600, "main.o"), (0x820, "lib/libfoo.a(foo.o)")]


@pytest.mark.parametrize("text", ["", "\n", "Linker script and memory map\n 0x", "<html>", "VMA LMA Size"])
def test_anything_else_is_an_empty_map(text: str) -> None:
    assert parse_link_map(text).inputs == ()


@pytest.mark.parametrize(("text", "own"), [(LLD, "my objects/main.o"), (GNU, "main.o")], ids=["lld", "gnu"])
def test_a_symbol_leads_to_who_asks_for_it_and_a_function_to_who_defines_it(text: str, own: str, tree: Path) -> None:
    path = tree / "bin/app.map"
    path.write_text(text)
    lookup = origins(path)
    assert lookup("fmod@GLIBC_2.38") == "libfoo.a(foo.o)"
    assert lookup("foo") == lookup("foo+0x10") == "libfoo.a(foo.o)"
    assert lookup("main") == own
    assert lookup("puts") == f"libfoo.a(foo.o), {own}"
    assert lookup("exp") == "", "a member that was not linked brings nothing in"
    assert lookup("0x10105e4" if text == LLD else "0x824") == "libfoo.a(foo.o)"
    assert lookup("0x1") == ""


def test_inputs_that_are_gone_or_no_elf_files_give_no_origin(tree: Path) -> None:
    path = tree / "app.map"
    path.write_text(LLD)
    (tree / "lib/libfoo.a").unlink()
    (tree / "my objects/main.o").write_bytes(b"BC\xc0\xde" + bytes(64))
    assert origins(path)("puts") == ""


def test_members_with_long_names_and_of_thin_archives_are_read(tmp_path: Path) -> None:
    content = object_file(defined=("f",))
    name = "a_rather_long_name.o"
    (tmp_path / "a.a").write_bytes(archive({"x.o": b"odd", name: content}))
    assert read_members(tmp_path / "a.a", frozenset({name}))[name].defined == {"f"}
    (tmp_path / "y.o").write_bytes(content)
    (tmp_path / "thin.a").write_bytes(b"!<thin>\n" + header("y.o/", len(content)))
    assert read_members(tmp_path / "thin.a", frozenset({"y.o"}))["y.o"].defined == {"f"}


@pytest.mark.parametrize("length", [0, 7, 8, 40, 67, 68, 100, 300])
def test_half_an_archive_or_object_is_no_crash(length: int, tmp_path: Path) -> None:
    content = object_file(defined=("f",), undefined=("g",))
    (tmp_path / "a.a").write_bytes(archive({"x.o": content})[:length])
    (tmp_path / "x.o").write_bytes(content[:length])
    read_members(tmp_path / "a.a", frozenset({"x.o"}))
    read_object(tmp_path / "x.o")


def test_only_findings_about_symbols_of_the_maps_file_get_an_origin() -> None:
    def found(code: str, file: str, symbol: str = "f") -> Finding:
        return Finding(code=code, file=file, message="", symbol=symbol)

    findings = (found("A102", "a"), found("A102", "b"), found("A105", "a"), found("A110", "a", ""))
    assert [each.origin for each in attribute(findings, lambda _: "x.o", files=("a",))] == ["x.o", "", "", ""]
    assert [each.origin for each in attribute(findings, lambda _: "x.o")] == ["x.o", "x.o", "", ""]


def test_static_libraries_come_first_and_long_lists_are_cut() -> None:
    sources = ("src/a.o", "/cache/z/crt1.o", "/cache/libz.a(inflate.o)", "src/b.o")
    assert shown(sources) == "libz.a(inflate.o), src/a.o and 2 more"
