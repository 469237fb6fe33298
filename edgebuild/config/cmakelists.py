"""What a CMakeLists.txt says of itself, as far as it can be read without running CMake."""

from __future__ import annotations

import re
from pathlib import Path

_COMMENT = re.compile(r"#\[(=*)\[.*?\]\1\]|#[^\n]*", re.DOTALL)
_PLAIN = re.compile(r"[\w.+-]+")  # neither ${VARIABLE} nor a quoted text


def stated_name(lists: Path) -> str:
    """NAME of project(NAME ...); "" if there is none or it is not plain text."""
    return next(iter(_arguments("project", lists)), "")


def stated_version(lists: Path) -> str:
    """What project(... VERSION 1.2.3) says; "" if it says nothing or a variable."""
    arguments = _arguments("project", lists)
    upper = [argument.upper() for argument in arguments]
    return "".join(arguments[upper.index("VERSION") + 1 :][:1]) if "VERSION" in upper else ""


def stated_programs(lists: Path) -> tuple[str, ...]:
    """Names of add_executable(NAME ...) in this one file."""
    commands = re.finditer(r"\badd_executable\s*\(([^)]*)\)", _text(lists), re.IGNORECASE)
    names = (words[0] for command in commands if (words := command[1].split()))
    return tuple(dict.fromkeys(name for name in names if _PLAIN.fullmatch(name)))


def _arguments(command: str, lists: Path) -> list[str]:
    """Of the first call. What is not plain text becomes ""."""
    match = re.search(rf"\b{command}\s*\(([^)]*)\)", _text(lists), re.IGNORECASE)
    words = [word.strip('"') for word in match[1].split()] if match else []
    return [word if _PLAIN.fullmatch(word) else "" for word in words]


def _text(lists: Path) -> str:
    """Without comments; empty if it cannot be read."""
    try:
        return _COMMENT.sub("", lists.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
