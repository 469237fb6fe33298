"""Model.detect makes its input where a pipeline would: on the device if the backend can, else on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.conftest import Built
from tests.e2e.harness import ARM, NEW_ROOT, run_in
from tests.e2e.test_model_safety import DESCRIPTION

SCRIPT = """\
import os
import sys
import edgecore
import numpy

os.environ["EDGECORE_BACKENDS"] = sys.argv[1]
model = edgecore.Model(sys.argv[2], backend="fake")
for _ in range(3):
    (found,) = model.detect(edgecore.Frame.from_planes(numpy.full((4, 4), 100, numpy.uint8)))
    print(round(found.score * 256))
"""


# The fake device takes samples as they are; the CPU stretches video's limited range: (100 - 16) * 255 / 219.
@pytest.mark.parametrize(("words", "level"), [("queue device", 100), ("queue", 98)])
def test_detect_prepares_where_the_engine_can(
    words: str, level: int, arm: Built, cache: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "model").write_text(words)
    (tmp_path / "model.yaml").write_text(DESCRIPTION)
    script = tmp_path / "detect.py"
    script.write_text(SCRIPT)
    numpy = data.provide_numpy(cache, "cp311")
    modules = arm.tree / "lib" / "edgecore-unit"
    options = ("--python-path", numpy)
    ended = run_in(
        ARM, "python3.11", script, modules, tmp_path / "model.yaml", root=NEW_ROOT, options=options, timeout_s=120
    )
    assert ended.code == 0, ended.stderr
    assert ended.stdout.split() == [str(level)] * 3
