"""JSON Schema of what users write, so that editors complete keys and mark mistakes. The records are the source."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from edgebuild.config.targets import load_row, row_names
from edgebuild.model.box import Fleet
from edgebuild.model.project import Project

KINDS: dict[str, type[msgspec.Struct]] = {"project": Project, "fleet": Fleet}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: str) -> dict[str, Any]:
    """Of "project" (edgebuild.yaml) or "fleet" (fleet.yaml), with the names of the targets there are."""
    schema = msgspec.json.schema(KINDS[kind])
    _tidy_descriptions(schema)
    if kind == "project":
        fields = schema["$defs"]["Project"]["properties"]
        fields["targets"]["items"] = {"anyOf": [{"enum": target_words()}, {"type": "string", "pattern": r"\*"}]}
        fields["targets"]["minItems"] = 1
        for key in ("format", "toolchain"):
            fields[key]["propertyNames"] = {"enum": ["default", *target_words()]}
    return {"$schema": _DIALECT, **schema}


def target_words() -> list[str]:
    """Rows and their aliases."""
    return [word for name in row_names() for word in (name, *load_row(name).alias)]


def _tidy_descriptions(schema: Any) -> None:
    """Docstrings as editors should show them: unindented."""
    if isinstance(schema, dict):
        if isinstance(text := schema.get("description"), str):
            schema["description"] = inspect.cleandoc(text)
        for each in schema.values():
            _tidy_descriptions(each)
