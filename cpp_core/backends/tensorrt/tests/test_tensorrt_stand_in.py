"""The backend against its stand-in, as every generation of TensorRT: right numbers, the faces of the real video, no
rule of the driver or of TensorRT broken, nothing left behind.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tensorrt_boxes import V8_0, V8_5, V10_3, V10_15, Box, Release, describe_faces

from tests.e2e.harness import SPREAD_FRAMES, FrameLine, assert_same_boxes

OUTPUTS = 4  # of the face model
EMULATED_FRAMES = SPREAD_FRAMES[2:4]
WHOLE_VIDEO = () if os.environ.get("EDGEBUILD_WHOLE_VIDEO") else SPREAD_FRAMES


def is_integrated(box: Box) -> bool:
    return box.spec.arch.name == "aarch64"


def check_contract(box: Box, release: Release, folder: Path, **wish: bool) -> None:
    told = box.contract(release, folder, **wish)
    assert told.ended.code == 0, told.words
    assert " 0 failed" in told.ended.stdout
    (account,) = told.accounts
    assert account.calls > 1000
    assert account.is_settled(), account


def test_the_contract_holds(server: Box, release: Release, tmp_path: Path) -> None:
    check_contract(server, release, tmp_path)


@pytest.mark.parametrize("release", [V8_0, V10_15], ids=str)
def test_the_contract_holds_where_the_gpu_shares_the_memory(server: Box, release: Release, tmp_path: Path) -> None:
    check_contract(server, release, tmp_path, integrated=True)


def test_the_contract_holds_on_arm64(orin: Box, xavier: Box, tmp_path: Path) -> None:
    for box, release in ((orin, V10_3), (xavier, V8_5)):
        folder = tmp_path / release.folder
        folder.mkdir()
        check_contract(box, release, folder)


def find_faces(
    box: Box, release: Release, clips: Path, folder: Path, frames: tuple[int, ...]
) -> tuple[dict[int, FrameLine], list[dict[str, int]]]:
    """frame -> faces; the copies that each line tells of."""
    pipeline = describe_faces(clips, folder, release, video="bikes.mp4", frames=frames)
    told = box.run(release, folder, "bin/edgecore", "run", pipeline)
    lines = told.ended.frames()
    assert told.accounts, "the stand-in wrote no account: it was not what ran"
    assert all(account.is_settled() for account in told.accounts), told.accounts
    return lines, [json.loads(line).get("copies", {}) for line in told.ended.stdout.splitlines()]


def test_the_faces_of_the_video_are_those_of_the_cpu(
    server: Box, release: Release, clips: Path, native_lines: dict[str, dict[int, FrameLine]], tmp_path: Path
) -> None:
    cpu = native_lines["bikes.mp4"]
    found, copies = find_faces(server, release, clips, tmp_path, WHOLE_VIDEO)
    assert tuple(found) == (WHOLE_VIDEO or tuple(cpu))
    assert sum(line.has_face() for line in found.values()) >= 6
    for number, line in found.items():
        assert line.digests["frame"] == cpu[number].digests["frame"]
        assert_same_boxes(line.boxes, cpu[number].boxes, place=f"TensorRT {release}, frame {number}")
    assert sum(each["to_host"] for each in copies) == OUTPUTS * len(found)
    assert sum(each["to_device"] for each in copies) >= len(found)


@pytest.mark.parametrize("release", [V10_3, V8_5], ids=str)
def test_on_arm64_too_and_nothing_is_copied(
    release: Release,
    clips: Path,
    native_lines: dict[str, dict[int, FrameLine]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    box: Box = request.getfixturevalue("orin" if release == V10_3 else "xavier")
    assert is_integrated(box)
    found, copies = find_faces(box, release, clips, tmp_path, EMULATED_FRAMES)
    assert tuple(found) == EMULATED_FRAMES
    assert all(line.has_face() for line in found.values())
    for number, line in found.items():
        assert_same_boxes(line.boxes, native_lines["bikes.mp4"][number].boxes, place=f"TensorRT {release}, {number}")
    assert not any(count for each in copies for count in each.values()), copies
