"""Under emulation, every call of the runner fails once, as every release of TensorRT, with kernels that make the input.

Not collected by itself, because it takes minutes: `make long`.
"""

from __future__ import annotations

from pathlib import Path

from tensorrt_boxes import Box, Release
from test_tensorrt_faults import fail_each_for_a_picture

from edgebuild.workspace import Workspace


def test_every_call_for_a_picture_may_fail_on_arm64(
    board: Box, release: Release, cache: Workspace, tmp_path: Path
) -> None:
    fail_each_for_a_picture(board, release, tmp_path, cache)
