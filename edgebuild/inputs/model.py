"""Model files, by descriptions: nothing here knows any format. Every read is bounded, because files may be hostile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import yaml

from edgebuild.errors import ConfigError
from edgebuild.model.model_file import HeaderField, ModelFormat, ModelHeader, Where
from edgebuild.model.tree import OtherFile
from edgebuild.workspace import shipped_data

_MAX_FIELDS = 100_000  # of one protobuf message
_MAX_TEXT_BYTES = 4096
_NUMBERS: dict[str, tuple[int, Literal["little", "big"]]] = {
    "u8": (1, "little"),
    "u16le": (2, "little"),
    "u16be": (2, "big"),
    "u32le": (4, "little"),
    "u32be": (4, "big"),
    "u64le": (8, "little"),
    "u64be": (8, "big"),
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


class _Broken(Exception):
    """Says why the header cannot be read."""


@lru_cache(maxsize=1)
def shipped_formats() -> tuple[ModelFormat, ...]:
    return load_model_formats(shipped_data() / "cpp_core" / "backends")


def load_model_formats(folder: Path) -> tuple[ModelFormat, ...]:
    """Of every */model.yaml below. Raises ConfigError."""
    return tuple(_load(path) for path in sorted(folder.glob("*/model.yaml")))


def _load(path: Path) -> ModelFormat:
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), ModelFormat)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as err:
        msg = f"{path}: {err}"
        raise ConfigError(msg) from err
    if not found.suffixes and not found.magic:
        msg = f"{path}: neither suffixes nor magic: every file would be such a model"
        raise ConfigError(msg)
    return found


def read_model(path: Path, formats: tuple[ModelFormat, ...], *, name: str = "") -> OtherFile | None:
    """None for a file of no such format; "damaged" where its header ends too early. Raises OSError."""
    with path.open("rb") as file:
        for each in formats:
            if not _is(each, path, file):
                continue
            name = name or path.name
            try:
                header = ModelHeader(each.name, _text(each.chip, file), _text(each.version, file))
            except _Broken as err:
                return OtherFile(name=name, kind="damaged", value=f"a damaged model ({each.title}): {err}")
            return OtherFile(name=name, kind="model", value=str(header))
    return None


def _is(each: ModelFormat, path: Path, file: BinaryIO) -> bool:
    if each.suffixes and not path.name.lower().endswith(each.suffixes):
        return False
    if each.magic is None:
        return True
    wanted = bytes.fromhex(each.magic.hex)
    file.seek(each.magic.offset)
    return file.read(len(wanted)) == wanted


def _text(field: HeaderField | None, file: BinaryIO) -> str:
    """The field's value as contracts write it; "" for a field that the format does not have."""
    if field is None:
        return ""
    if field.type == "protobuf":
        raw = _follow(field, file)
    elif field.type == "flatbuffer":
        raw = _descend(field, file)
    elif field.type == "cstr":
        raw = _chunk(file, field.offset, 0, field.size).partition(b"\0")[0].decode("utf-8", "replace")
    elif field.type == "version":
        raw = ".".join(map(str, _chunk(file, field.offset, field.size, field.size)))
    else:
        size_bytes, order = _NUMBERS[field.type]
        raw = str(int.from_bytes(_chunk(file, field.offset, size_bytes, size_bytes), order))
    return field.names.get(raw, raw)


def _chunk(file: BinaryIO, offset: int, least: int, most: int) -> bytes:
    file.seek(offset)
    content = file.read(min(most, _MAX_TEXT_BYTES))
    if len(content) < max(least, 1):
        raise _Broken(f"it ends before byte {offset + max(least, 1)}")
    return content


# ---- protobuf: https://protobuf.dev/programming-guides/encoding ----


def _follow(field: HeaderField, file: BinaryIO) -> str:
    """The last value at field.path, as a decoder takes it. "" where the file has none."""
    end = file.seek(0, io.SEEK_END)
    *outer, last = field.path
    places = [(0, end)]
    for number in outer:
        places = [(start, start + size) for place in places for start, size in _messages(file, *place, number)]
    if field.where:
        places = [place for place in places if _chosen(file, *place, field.where)]
    values = [value for place in places for number, value in _numbers(file, *place) if number == last]
    return str(values[-1]) if values else ""


def _chosen(file: BinaryIO, start: int, end: int, where: Where) -> bool:
    texts = [_read_text(file, *each) for each in _messages(file, start, end, where.field)]
    return (texts[-1] if texts else "") in where.values


def _read_text(file: BinaryIO, start: int, size_bytes: int) -> str:
    file.seek(start)
    return file.read(min(size_bytes, _MAX_TEXT_BYTES)).decode("utf-8", "replace")


def _messages(file: BinaryIO, start: int, end: int, wanted: int) -> list[tuple[int, int]]:
    return [(at, size) for number, wire, at, size in _fields(file, start, end) if (number, wire) == (wanted, _BYTES)]


def _numbers(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    for number, wire, value, _ in _fields(file, start, end):
        if wire == _VARINT:
            yield number, value


def _fields(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, place or value, size) of a message's fields; contents are passed over, not read."""
    place = start
    for _ in range(_MAX_FIELDS):
        if place >= end:
            return
        key, place = _varint(file, place, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _varint(file, place, end)
            yield number, wire, value, 0
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if wire == _BYTES:
            size, place = _varint(file, place, end)
        if size < 0 or place + size > end:
            raise _Broken(f"its structure breaks off at byte {place}")
        yield number, wire, place, size
        place += size
    raise _Broken(f"more than {_MAX_FIELDS} fields")


def _varint(file: BinaryIO, place: int, end: int) -> tuple[int, int]:
    file.seek(place)
    value = 0
    for index, byte in enumerate(file.read(min(10, end - place))):
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, place + index + 1
    raise _Broken(f"its structure breaks off at byte {place}")


# ---- FlatBuffers: https://flatbuffers.dev/internals ----


def _descend(field: HeaderField, file: BinaryIO) -> str:
    """The string at field.path. "" where a table on the way, or the string, is absent."""
    place = _referred(file, field.offset)
    for number in field.path:
        fields = place - _number_at(file, place, 4, signed=True)
        slot = 4 + 2 * number
        offset = _number_at(file, fields + slot, 2) if slot < _number_at(file, fields, 2) else 0
        if not offset:
            return ""
        place = _referred(file, place + offset)
    return _read_text(file, place + 4, _number_at(file, place, 4))


def _referred(file: BinaryIO, place: int) -> int:
    return place + _number_at(file, place, 4)


def _number_at(file: BinaryIO, place: int, size_bytes: int, *, signed: bool = False) -> int:
    if place < 0:
        raise _Broken("it refers to what would be before its begin")
    return int.from_bytes(_chunk(file, place, size_bytes, size_bytes), "little", signed=signed)
