"""What making something took."""

from __future__ import annotations

import os
import time

import msgspec


class Cost(msgspec.Struct, frozen=True):
    """Seconds by the wall's clock and of all processors together."""

    wall_s: float
    cpu_s: float


def spent() -> Cost:
    """By this process and all the children that it has waited for, up to now."""
    times = os.times()
    return Cost(time.monotonic(), times.user + times.system + times.children_user + times.children_system)


def since(start: Cost) -> Cost:
    """From one spent() to now, in milliseconds' precision."""
    now = spent()
    return Cost(round(now.wall_s - start.wall_s, 3), round(now.cpu_s - start.cpu_s, 3))
