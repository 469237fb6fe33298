"""One model through the module in a process of its own, below the core: what the module says, or how it died."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.fixtures import Built

OK, INVALID_ARGUMENT, NOT_FOUND, UNSUPPORTED, CORRUPT, SDK = range(6)  # abi::Code
_TIMEOUT_S = 60
# The answer comes on descriptor 3; whatever the library prints is not it.
_CALL = 'exec "$0" "$@" 3>&1 >/dev/null'


@dataclass(frozen=True)
class Answer:
    code: int
    text: str
    stderr: str


def module_of(native: Built) -> Path:
    return native.tree / "lib/edgecore/libedgecore-amlogic.so"


def stand_in_of(native: Built) -> Path:
    return native.tree / "share/edgecore/stubs/amlogic"


def attempt(
    native: Built,
    model: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
    memory_kib: int | None = None,
) -> Answer:
    """Opens it and runs it once, on the stand-in unless `env` names other libraries. A crash fails the test."""
    limit = f"ulimit -v {memory_kib}; " if memory_kib else ""
    words = [native.tree / "lib/edgecore/edgecore-try", module_of(native), model, "0", "1", *options]
    ended = subprocess.run(
        ["sh", "-c", limit + _CALL, *map(str, words)],
        env={"LD_LIBRARY_PATH": str(stand_in_of(native)), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert ended.returncode == 0, f"{model.name}: the process ended with {ended.returncode}: {ended.stderr}"
    code, text = ended.stdout.rstrip("\n").split(" ", 1)
    return Answer(int(code), text, ended.stderr)
