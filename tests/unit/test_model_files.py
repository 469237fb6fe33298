"""Model files are read by descriptions and judged by the contract; the formats here are invented."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest

from edgebuild.audit.models import check_models
from edgebuild.errors import ConfigError
from edgebuild.inputs.model import load_model_formats, read_model, shipped_formats
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.model_file import ModelFormat, ModelHeader
from edgebuild.model.tree import OtherFile, TreeFacts

ACME = """\
name: acme
title: Acme engine
suffixes: [.acm, .acmx]
magic: {offset: 4, hex: "41434d45"}
chip: {type: u16le, offset: 8, names: {"258": ACME1, "259": ACME2}}
version: {type: version, offset: 10, size: 3}
"""
WIRE = """\
name: wire
title: Wire
suffixes: [.wire]
chip: {type: protobuf, path: [2]}
version: {type: protobuf, path: [3, 1, 2], where: {field: 1, values: [main, ""]}}
runtime: {files: ["libwire.so*"], node: WIRE_2, newest: "4"}
"""
TEXT = """\
name: text
title: Text
magic: {offset: 0, hex: "54455854"}
chip: {type: cstr, offset: 4, size: 8}
version: {type: u32be, offset: 12}
"""
FLAT = """\
name: flat
title: Flat
suffixes: [.flat]
chip: {type: flatbuffer, offset: 8, path: [1, 0]}
"""


@pytest.fixture
def formats(tmp_path: Path) -> tuple[ModelFormat, ...]:
    for name, text in (("acme", ACME), ("text", TEXT), ("wire", WIRE), ("flat", FLAT)):
        folder = tmp_path / "backends" / name
        folder.mkdir(parents=True)
        (folder / "model.yaml").write_text(text)
    return load_model_formats(tmp_path / "backends")


def acme(chip: int = 258, version: bytes = b"\1\4\0") -> bytes:
    return b"\0\0\0\0ACME" + struct.pack("<H", chip) + version + b"weights"


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def sets(*each: tuple[bytes, int]) -> bytes:
    return message(3, b"".join(message(1, (message(1, name) if name else b"") + number(2, v)) for name, v in each))


def table(*slots: int, body: bytes) -> bytes:
    """A FlatBuffer table after its list of fields. slots: where in the table each field is, 0 for absent."""
    fields = struct.pack(f"<{len(slots) + 2}H", 4 + 2 * len(slots), 4 + len(body), *slots)
    return fields + struct.pack("<i", len(fields)) + body


def flat(*, chip: bytes = b"ACME3", outer: tuple[int, ...] = (0, 4), inner: tuple[int, ...] = (4,)) -> bytes:
    """Eight bytes of header; a root table whose field 1 is a table whose field 0 is the chip."""
    text = struct.pack("<I", 4) + struct.pack("<I", len(chip)) + chip + b"\0"
    below = table(*inner, body=text)
    list_bytes = 4 + 2 * len(inner)
    root = table(*outer, body=struct.pack("<I", 4 + list_bytes))
    return b"HEADHEAD" + struct.pack("<I", 4 + 4 + 2 * len(outer)) + root + below


def read(tmp_path: Path, name: str, content: bytes, formats: tuple[ModelFormat, ...]) -> OtherFile | None:
    path = tmp_path / name
    path.write_bytes(content)
    return read_model(path, formats)


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("a.acm", acme(), "acme ACME1 1.4.0"),
        ("a.ACMX", acme(259, b"\2\0\1"), "acme ACME2 2.0.1"),
        ("a.acm", acme(7), "acme 7 1.4.0"),
        ("weights.bin", b"TEXTbig one\0\0\0\0\x09", "text big_one 9"),
        ("weights.bin", b"TEXT\0\0\0\0\0\0\0\0\0\0\1\0", "text - 256"),
        ("a.wire", number(1, 5) + message(9, b"x" * 500) + number(2, 300) + sets((b"", 4)), "wire 300 4"),
        ("a.wire", sets((b"other", 9), (b"main", 3)), "wire - 3"),
        ("a.wire", sets((b"other", 9)), "wire - -"),
        ("a.flat", flat(), "flat ACME3 -"),
        ("a.flat", flat(outer=(4, 0)), "flat - -"),
        ("a.flat", flat(outer=(4,)), "flat - -"),
        ("a.flat", flat(inner=(0,)), "flat - -"),
        ("a.wire", b"\x3d\0\0\0\0" + b"\x39" + b"\0" * 8 + sets((b"main", 3)), "wire - 3"),
    ],
)
def test_a_header_is_read_by_its_description(
    name: str, content: bytes, value: str, tmp_path: Path, formats: tuple[ModelFormat, ...]
) -> None:
    found = read(tmp_path, name, content, formats)
    assert found == OtherFile(name=name, kind="model", value=value)
    assert str(ModelHeader.parse(value)) == value


@pytest.mark.parametrize(
    ("name", "content"), [("a.acm", b"\0\0\0\0OTHER"), ("a.bin", acme()), ("a.acm", b""), ("b.bin", b"TEX")]
)
def test_suffix_and_magic_must_both_fit(
    name: str, content: bytes, tmp_path: Path, formats: tuple[ModelFormat, ...]
) -> None:
    assert read(tmp_path, name, content, formats) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.acm", acme()[:9]),
        ("a.acm", acme()[:12]),
        ("a.wire", message(3, b"x" * 50)[:20]),
        ("a.wire", b"\xff" * 40),
        ("a.wire", b"\x1a\xff\xff\xff\xff\x0f"),
        ("a.wire", b"\x0b"),
        ("a.flat", flat()[:10]),
        ("a.flat", flat()[:30]),
        ("a.flat", b"HEADHEAD" + b"\xff" * 4),
        ("a.flat", b"HEADHEAD" + struct.pack("<Ii", 4, 1000) + flat()),
    ],
)
def test_a_header_that_ends_too_early_is_damage(
    name: str, content: bytes, tmp_path: Path, formats: tuple[ModelFormat, ...]
) -> None:
    found = read(tmp_path, name, content, formats)
    assert found
    assert found.kind == "damaged"
    assert "model" in found.value


def test_a_message_of_endless_fields_is_given_up(tmp_path: Path, formats: tuple[ModelFormat, ...]) -> None:
    found = read(tmp_path, "a.wire", b"\x08\0" * 100_001, formats)
    assert found
    assert (found.kind, "fields" in found.value) == ("damaged", True)


@pytest.mark.parametrize(
    "text", ["name: x\ntitle: X\n", "name: x\n", "name: [", "name: x\ntitle: X\nmagic: {offset: 0, hex: zz}\n"]
)
def test_a_description_that_fits_everything_or_nothing_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "model.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"x/model\.yaml"):
        load_model_formats(tmp_path)


def test_an_onnx_model_says_its_operator_set(tmp_path: Path) -> None:
    opsets = message(8, message(1, b"ai.other") + number(2, 5)) + message(8, message(1, b"") + number(2, 17))
    content = number(1, 8) + message(2, b"maker") + message(7, b"graph" * 100) + opsets
    found = read(tmp_path, "face.onnx", content, shipped_formats())
    assert found == OtherFile(name="face.onnx", kind="model", value="onnx - 17")


# ---- A120 ----

BOX = {"title": "test box", "arch": "aarch64", "cpu": {"model": "a", "emulated_as": "a"}, "libraries": {}}
TAKES = {"format": "acme", "chip": "ACME1", "version": "1.4"}


@pytest.mark.parametrize(
    ("value", "takes", "severity", "says"),
    [
        ("acme ACME1 1.4", TAKES, "", ""),
        ("acme ACME1 1.3.9", TAKES, "", ""),
        ("acme ACME2 1.4", TAKES, "error", "chip ACME2, 'test box' has ACME1"),
        ("acme ACME1 1.10", TAKES, "error", "Acme engine 1.10, 'test box' takes 1.4 at most"),
        ("text ACME1 1", TAKES, "error", "a model for Text, 'test box' takes acme"),
        ("acme ACME1 1.4", None, "unknown", "nobody knows what models"),
        ("acme ACME1 1.4", {"format": "acme", "version": "1.4"}, "unknown", "nobody knows the chip"),
        ("acme ACME1 1.4", {"format": "acme", "chip": "ACME1"}, "unknown", "nobody knows which versions"),
        ("acme - 1.4", TAKES, "unknown", "does not say for which chip"),
        ("acme ACME1 beta", TAKES, "error", "beta"),
    ],
)
def test_models_are_judged_by_what_the_box_takes(
    value: str, takes: dict[str, str] | None, severity: str, says: str, formats: tuple[ModelFormat, ...]
) -> None:
    contract = msgspec.convert({**BOX, "model": takes}, Contract)
    models = (OtherFile(name="a.acm", kind="model", value=value), OtherFile(name="b.acm", kind="model", value=value))
    findings = list(check_models(TreeFacts(path="x", kind="folder", others=models), Provided(contract), formats))
    if not severity:
        assert findings == []
        return
    (finding,) = findings
    assert (finding.code, finding.file, finding.severity) == ("A120", "a.acm", severity)
    assert says in finding.message
    assert "1 more" in finding.message
    assert finding.hint


@pytest.mark.parametrize(
    ("version", "node", "severity"),
    [("4", "WIRE_2", ""), ("5", "WIRE_2", "error"), ("5", "WIRE_3", "advice"), ("4", "WIRE_3", "")],
)
def test_a_runtime_that_ships_with_the_model_decides_instead_of_the_box(
    version: str, node: str, severity: str, formats: tuple[ModelFormat, ...]
) -> None:
    library = ElfFacts(
        name="lib/libwire.so.2",
        machine="EM_AARCH64",
        bits=64,
        endianness="little",
        kind="shared",
        defined_versions=(node,),
    )
    model = OtherFile(name="a.wire", kind="model", value=f"wire - {version}")
    tree = TreeFacts(path="x", kind="folder", elves=(library,), others=(model,))
    findings = list(check_models(tree, Provided(msgspec.convert(BOX, Contract)), formats))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
