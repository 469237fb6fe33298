"""The same faces, whoever looks: an independent reference, the desk, the emulated box."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.harness import (
    ARM,
    NEW_ROOT,
    SPREAD_FRAMES,
    SURE_SCORE,
    FrameLine,
    assert_same_boxes,
    run_in,
    write_pipeline,
)
from tests.reference.boxes import compare, iou
from tests.reference.centerface import CenterFace, read_rgb

# Frames in the clip, and frames that must show a face at least: the comparison may not become an empty one.
# The reference itself sees 48 and 16; the minimum only guards the sample, agreement is what the test is about.
CLIPS = {"bikes.mp4": (250, 46), "bigbuckbunny.mp4": (132, 15)}


@pytest.mark.parametrize("video", data.VIDEOS)
def test_native_agrees_with_the_reference_on_every_frame(
    video: str, native_lines: dict[str, dict[int, FrameLine]], clips: Path, cache: Workspace
) -> None:
    length, faces_at_least = CLIPS[video]
    lines = native_lines[video]
    assert list(lines) == list(range(length))

    detector = CenterFace(data.provide_face_model(cache) / "centerface.onnx")
    overlaps: list[float] = []
    score_gaps: list[float] = []
    lonely: list[str] = []
    faces = 0
    for number, image in enumerate(read_rgb(clips / video)):
        reference = detector.detect(image)
        agreement = compare(lines[number].boxes, reference, sure_score=SURE_SCORE)
        overlaps += [iou(*pair) for pair in agreement.pairs]
        score_gaps += [abs(ours.score - theirs.score) for ours, theirs in agreement.pairs]
        lonely += [f"frame {number}: {box}" for box in agreement.lonely]
        faces += any(box.score >= SURE_SCORE for box in reference)
    assert number == length - 1

    mean = sum(overlaps) / len(overlaps)
    print(
        f"{video}: {faces} of {length} frames show a face, {len(overlaps)} boxes matched, "
        f"IoU mean {mean:.4f} min {min(overlaps):.4f}, largest score gap {max(score_gaps):.4f}"
    )
    assert lonely == []
    assert faces >= faces_at_least
    assert mean >= 0.98
    assert max(score_gaps) <= 0.02


def test_emulated_arm64_agrees_with_native(
    emulated_lines: dict[int, FrameLine], native_lines: dict[str, dict[int, FrameLine]]
) -> None:
    native = native_lines["bikes.mp4"]
    assert tuple(emulated_lines) == SPREAD_FRAMES
    assert sum(line.has_face() for line in emulated_lines.values()) >= 6
    for number, line in emulated_lines.items():
        assert line.pts_us == native[number].pts_us
        assert line.digests == native[number].digests, f"frame {number}: decoded picture or input tensor differs"
        assert_same_boxes(line.boxes, native[number].boxes, place=f"frame {number}")


def test_the_same_files_run_on_the_newer_root(emulated_lines: dict[int, FrameLine], arm: object, clips: Path) -> None:
    frames = SPREAD_FRAMES[1:3]
    pipeline = write_pipeline(clips, "newer", "bikes.mp4", frames=frames)
    newer = run_in(ARM, "bin/edgecore", "run", pipeline, root=NEW_ROOT, timeout_s=300).frames()
    assert tuple(newer) == frames
    for number, line in newer.items():
        assert line.digests == emulated_lines[number].digests
        assert_same_boxes(line.boxes, emulated_lines[number].boxes, place=f"frame {number}")
