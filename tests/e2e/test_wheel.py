"""The wheel of each Python on the box: it imports, it finds the same faces, and its name tells the truth."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.conftest import Built
from tests.e2e.harness import (
    ARM,
    NEW_ROOT,
    OLD_ROOT,
    REPOSITORY,
    FrameLine,
    assert_same_boxes,
    call,
    run_in,
    write_pipeline,
)

FRAMES = (32, 118)
SCRIPT = Path(__file__).with_name("detect.py")
BINDINGS_TEST = REPOSITORY / "cpp_core" / "python" / "tests" / "test_edgecore.py"
PYTHONS = {"3.9": OLD_ROOT, "3.11": NEW_ROOT}


@pytest.mark.parametrize("version", PYTHONS)
def test_the_boxes_python_finds_the_same_faces(
    version: str, arm: Built, clips: Path, cache: Workspace, native_lines: dict[str, dict[int, FrameLine]]
) -> None:
    numpy = data.provide_numpy(cache, "cp" + version.replace(".", ""))
    pipeline = write_pipeline(clips, f"python{version}", "bikes.mp4", frames=FRAMES)
    ended = run_in(
        ARM,
        f"python{version}",
        SCRIPT,
        pipeline,
        root=PYTHONS[version],
        options=("--python-path", numpy),
        timeout_s=600,
    )
    lines = ended.frames()
    assert f"aarch64 {version}." in ended.stderr
    assert tuple(lines) == FRAMES
    for number, line in lines.items():
        native = native_lines["bikes.mp4"][number]
        assert native.has_face()
        assert line.digests == native.digests
        assert_same_boxes(line.boxes, native.boxes, place=f"frame {number}")


@pytest.mark.parametrize("version", PYTHONS)
def test_the_bindings_keep_their_promises_on_the_box(version: str, arm: Built, cache: Workspace) -> None:
    numpy = data.provide_numpy(cache, "cp" + version.replace(".", ""))
    ended = run_in(
        ARM,
        f"python{version}",
        BINDINGS_TEST,
        root=PYTHONS[version],
        options=("--python-path", numpy),
        timeout_s=600,
    )
    assert ended.code == 0, ended.stderr
    assert "\nOK" in ended.stderr


def test_there_is_a_wheel_for_each_python(arm: Built) -> None:
    tags = {wheel.name.split("-")[2] for wheel in arm.products("wheel")}
    assert tags == {"cp" + version.replace(".", "") for version in PYTHONS}


def test_auditwheel_agrees_with_every_tag(arm: Built) -> None:
    for wheel in arm.products("wheel"):
        ended = call(sys.executable, "-m", "auditwheel", "show", wheel, timeout_s=120)
        assert ended.code == 0, ended.stderr
        words = " ".join(ended.stdout.split())  # it wraps lines at a width of its own
        told = re.search(r'consistent with the following platform tag: "([^"]+)"', words)
        assert told, ended.stdout
        print(f"{wheel.name}: auditwheel says {told[1]}")
        assert wheel.stem.split("-")[-1] == told[1]
