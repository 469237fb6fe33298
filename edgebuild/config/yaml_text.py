"""Records -> YAML as a person would write it: keys in the record's order, short tables on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

_WIDTH = 120
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9 ._+@/()-]*")


def render_yaml(document: dict[str, Any]) -> str:
    """document: plain values, as msgspec.to_builtins gives them. Reading it gives the same values."""
    return "".join(f"{line}\n" for key, value in document.items() for line in _entry(_scalar(key), value))


def comment_lines(text: str) -> str:
    """A text as "# ..." lines."""
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def _entry(key: str, value: Any) -> Iterator[str]:
    """Lines of `key: value`, without the indentation of where it stands."""
    if (line := f"{key}: {_flow(value)}") and (len(line) <= _WIDTH - 4 or not isinstance(value, dict | list | tuple)):
        yield line
    elif isinstance(value, dict):
        yield f"{key}:"
        for name, inner in value.items():
            yield from (f"  {line}" for line in _entry(_scalar(name), inner))
    elif any(isinstance(each, dict | list | tuple) for each in value):
        yield f"{key}:"
        yield from (f"  {line}" for each in value for line in _item(each))
    else:
        yield f"{key}:"
        yield from _wrapped([_flow(each) for each in value])


def _item(value: Any) -> Iterator[str]:
    if len(line := f"- {_flow(value)}") <= _WIDTH - 6 or not isinstance(value, dict):
        yield line
        return
    lines = [line for name, inner in value.items() for line in _entry(_scalar(name), inner)]
    yield f"- {lines[0]}"
    yield from (f"  {line}" for line in lines[1:])


def _wrapped(words: list[str]) -> Iterator[str]:
    """A list of plain values over several lines."""
    line = "  ["
    for number, word in enumerate(words):
        end = "," if number < len(words) - 1 else "]"
        if len(line) + len(word) + 2 > _WIDTH - 4:
            yield line.rstrip()
            line = "   "
        line += word + end + " "
    yield line.rstrip()


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Quoted where YAML would read something else: "2.31" is a text, and so are "no" and "0xd03"."""
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and not value.endswith(" ") and yaml.safe_load(value) == value
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
