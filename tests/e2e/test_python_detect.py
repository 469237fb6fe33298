"""Model.detect makes its input where a pipeline would: on the device if the backend can, else on the CPU."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Built
from tests.e2e.harness import call
from tests.e2e.test_model_safety import DESCRIPTION

# The fake device takes a picture's samples as they are; the CPU stretches video's limited range: (100 - 16) * 255 / 219.
SCRIPT = """\
import sys
import edgecore
import numpy

model = edgecore.Model(sys.argv[1], backend="fake")
for _ in range(3):
    (found,) = model.detect(edgecore.Frame.from_planes(numpy.full((4, 4), 100, numpy.uint8)))
    print(round(found.score * 256))
"""


@pytest.mark.parametrize(("words", "level"), [("queue device", 100), ("queue", 98)])
def test_detect_prepares_where_the_engine_can(words: str, level: int, native: Built, tmp_path: Path) -> None:
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    (wheel,) = (each for each in native.products("wheel") if f"-{version}-" in each.name)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "packages")
    (tmp_path / "model").write_text(words)
    (tmp_path / "model.yaml").write_text(DESCRIPTION)
    env = {
        "PYTHONPATH": str(tmp_path / "packages"),
        "EDGECORE_BACKENDS": str(native.tree / "lib" / "edgecore-unit"),
    }
    ended = call(sys.executable, "-c", SCRIPT, tmp_path / "model.yaml", timeout_s=60, env=env)
    assert ended.code == 0, ended.stderr
    assert ended.stdout.split() == [str(level)] * 3
