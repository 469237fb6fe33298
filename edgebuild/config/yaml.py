"""YAML -> records, strictly: every error names file, path and line where it can, and says what next."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from edgebuild.errors import ConfigError

T = TypeVar("T")

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]*)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML keeps the last of two equal keys; here the second is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a list or table as a key", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path, kind: type[T]) -> T:
    """Reads a file into a record. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        msg = f"{path}: no such file"
        raise ConfigError(msg) from err
    except OSError as err:
        msg = f"{path}: cannot be read ({err.strerror})"
        raise ConfigError(msg) from err
    except UnicodeDecodeError as err:
        msg = f"{path}: cannot be read as UTF-8 text ({err})"
        raise ConfigError(msg) from err
    return parse_yaml(text, kind, where=str(path))


def parse_yaml(text: str, kind: type[T], *, where: str) -> T:
    """where: file name for messages."""
    try:
        raw = _values(text)
    except yaml.YAMLError as err:
        raise _syntax_error(err, text, where) from err
    except ValueError as err:  # PyYAML's own, for such as 2024-13-01, which looks like a date
        msg = f"{where}: a value cannot be read: {err}"
        raise ConfigError(msg, 'quote it if it is a text: "2024-13-01".') from err
    if raw is None:
        msg = f"{where}: empty file"
        raise ConfigError(msg)
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as err:
        raise _type_error(str(err), kind, where) from err


@functools.lru_cache(maxsize=128)
def _values(text: str) -> Any:
    """A lock has thousands of lines, and several rows name it. Read only: convert() makes everything anew."""
    return yaml.load(text, Loader=_StrictLoader)


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint, or "" when nothing is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'? " if near else ""


def _syntax_error(err: yaml.YAMLError, text: str, where: str) -> ConfigError:
    mark = getattr(err, "problem_mark", None)
    problem = getattr(err, "problem", None) or str(err)
    if mark is None:
        return ConfigError(f"{where}: {problem}")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in problem:
        return ConfigError(f"{where}:{mark.line + 1}: a tab in the indentation", "YAML indents with spaces only.")
    return ConfigError(f"{where}:{mark.line + 1}:{mark.column + 1}: {problem}")


def _type_error(message: str, kind: Any, where: str) -> ConfigError:
    path = match["path"] if (match := _PATH.search(message)) else ""
    text = _PATH.sub("", message)
    at = f"{where}: {path}: " if path else f"{where}: "
    if match := _UNKNOWN.search(text):
        known = _fields_at(kind, path)
        hint = did_you_mean(match["key"], known) + (f"keys here: {', '.join(known)}." if known else "")
        return ConfigError(f"{at}unknown key '{match['key']}'", hint)
    if match := _MISSING.search(text):
        return ConfigError(f"{at}key '{match['key']}' is missing")
    return ConfigError(f"{at}{text[0].lower()}{text[1:].replace('`', chr(39))}")


def _fields_at(kind: Any, path: str) -> tuple[str, ...]:
    """Field names of the record at a msgspec path such as "python[0].version" or "libraries[...]"."""
    info: Any = msgspec.inspect.type_info(kind)
    for part in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
        info = _step_into(info, part)
        if info is None:
            return ()
    info = _record_of(info)
    return tuple(field.encode_name for field in info.fields) if info is not None else ()


def _step_into(info: Any, part: str) -> Any:
    if part.startswith("["):
        if isinstance(info, msgspec.inspect.DictType):
            return info.value_type
        return getattr(info, "item_type", None)
    record = _record_of(info)
    if record is None:
        return None
    return next((field.type for field in record.fields if field.encode_name == part), None)


def _record_of(info: Any) -> msgspec.inspect.StructType | None:
    if isinstance(info, msgspec.inspect.UnionType):
        info = next((t for t in info.types if isinstance(t, msgspec.inspect.StructType)), None)
    return info if isinstance(info, msgspec.inspect.StructType) else None
