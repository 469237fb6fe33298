"""Python's cycle collector, held off where some hundred thousand objects are made and none of them is a cycle."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """It would walk everything that is alive several times meanwhile: a tenth to a fifth of the time of an audit."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
