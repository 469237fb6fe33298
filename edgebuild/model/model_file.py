"""How a format of model files is recognised and what its header says, as cpp_core/backends/*/model.yaml describe it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgebuild.model.recipe import Record

Number = Literal["u8", "u16le", "u16be", "u32le", "u32be", "u64le", "u64be"]
_Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})+$")]
_NOTHING = "-"


class Magic(Record, frozen=True):
    offset: int
    hex: _Hex  # "7f454c46"


class Where(Record, frozen=True):
    """values: texts that choose a repeated message; "" matches one without the field."""

    field: int
    values: tuple[str, ...]


class HeaderField(Record, frozen=True, omit_defaults=True):
    """One value of the header.

    type: "cstr" is ASCII up to its first NUL. "version" is `size` numbers of one byte each, "1.2.3". "protobuf" follows
        `path`, the numbers of nested fields; of a repeated one that counts whose field where.field is one of where.is.
        "flatbuffer" begins at `offset`; `path` is the ids of nested tables and, last, of a string.
    offset, size: bytes; size is the most that a "cstr" has. names: raw value -> what contracts call it.
    """

    type: Literal["cstr", "version", "protobuf", "flatbuffer"] | Number
    offset: int = 0
    size: int = 64
    path: tuple[int, ...] = ()
    where: Where | None = None
    names: dict[str, str] = msgspec.field(default_factory=dict)


class BundledRuntime(Record, frozen=True):
    """The library that reads such models, where it ships beside them: then it decides, not the box.

    files: globs of its name. node: a version node that only this very release defines. newest: that it takes.
    """

    files: tuple[str, ...]
    node: str
    newest: str


class ModelFormat(Record, frozen=True, omit_defaults=True):
    """A file is of this format where both suffix and magic fit, each as far as it is stated."""

    name: str
    title: str
    suffixes: tuple[str, ...] = ()
    magic: Magic | None = None
    chip: HeaderField | None = None
    version: HeaderField | None = None
    runtime: BundledRuntime | None = None


class ModelHeader(msgspec.Struct, frozen=True):
    """What OtherFile.value holds for a model: "acme ACME1 1.4", "-" for what the header does not say."""

    format: str
    chip: str = ""
    version: str = ""

    def __str__(self) -> str:
        return " ".join("_".join(each.split()) or _NOTHING for each in (self.format, self.chip, self.version))

    @staticmethod
    def parse(value: str) -> ModelHeader:
        return ModelHeader(*("" if each == _NOTHING else each for each in value.split(" ")[:3]))
