"""The backend against its stand-in, as every generation of TensorRT: right numbers, the faces of the real video, no
rule of the driver or of TensorRT broken, nothing left behind.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import onnx
import pytest
from make_plan import MARK, make_plan
from tensorrt_boxes import V8_0, V8_5, V10_3, V10_15, Box, Release, describe_faces

from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.harness import SPREAD_FRAMES, FrameLine, assert_same_boxes

OUTPUTS = 4  # of the face model
TENSOR_BYTES = 4 * 3 * data.FACE_HEIGHT_PX * data.FACE_WIDTH_PX
CORRUPT = 6
IS_LONG = bool(os.environ.get("EDGEBUILD_LONG"))
WHOLE_VIDEO = () if IS_LONG else SPREAD_FRAMES
# Under emulation a frame costs what its pixels do: 0.8 CPU seconds at 192x128. There is a face from 30 to 43.
EMULATED_SIZE_PX = (192, 128) if IS_LONG else (160, 64)
EMULATED_FRAMES = tuple(range(20, 50)) if IS_LONG else (0, 32, 40)


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


def identity_model() -> bytes:
    """out = in, three free dimensions."""
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["a", "b", "c"]) for name in ("in", "out")
    ]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["in"], ["out"])], "same", ports[:1], ports[1:])
    opsets = [onnx.helper.make_opsetid("", 13)]
    return bytes(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.mark.parametrize("integrated", [False, True])
def test_runs_in_flight_may_each_have_another_shape(
    server: Box, release: Release, integrated: bool, tmp_path: Path
) -> None:
    plan = tmp_path / "identity.plan"
    plan.write_bytes(make_plan(identity_model(), release.number))
    module = server.tree / f"lib/edgecore/libedgecore-{release.module}.so"
    told = server.run(release, tmp_path, "bin/edgecore-tensorrt-shapes", module, plan, integrated=integrated)
    assert told.ended.code == 0, told.words
    assert "18 runs, 0 wrong" in told.ended.stdout
    assert "outside the profile of dimension 0" in told.ended.stdout
    (account,) = told.accounts
    assert account.is_settled(), account


def find_faces(
    box: Box, release: Release, model: Path, video: Path, folder: Path, frames: tuple[int, ...]
) -> tuple[dict[int, FrameLine], list[dict[str, int]]]:
    """frame -> faces; the copies that each line tells of."""
    told = box.run(release, folder, "bin/edgecore", "run", describe_faces(model, video, folder, release, frames))
    lines = told.ended.frames()
    (account,) = told.accounts
    assert account.is_settled(), account
    return lines, [json.loads(line).get("copies", {}) for line in told.ended.stdout.splitlines()]


def test_the_faces_of_the_video_are_those_of_the_cpu(
    server: Box, release: Release, clips: Path, native_lines: dict[str, dict[int, FrameLine]], tmp_path: Path
) -> None:
    cpu = native_lines["bikes.mp4"]
    model, video = clips / "centerface.onnx", clips / "bikes.mp4"
    found, copies = find_faces(server, release, model, video, tmp_path, WHOLE_VIDEO)
    assert tuple(found) == (WHOLE_VIDEO or tuple(cpu))
    assert sum(line.has_face() for line in found.values()) >= 6
    for number, line in found.items():
        assert line.digests["frame"] == cpu[number].digests["frame"]
        assert_same_boxes(line.boxes, cpu[number].boxes, place=f"TensorRT {release}, frame {number}")
    assert sum(each["to_host"] for each in copies) == OUTPUTS * len(found)
    assert sum(each["to_device"] for each in copies) >= len(found)
    # Pictures go up, not the tensors three times as large that they become there.
    assert sum(each["to_device_bytes"] for each in copies) < TENSOR_BYTES * len(found) / 3


def test_a_plan_that_nobody_vouches_for_is_tried_in_a_process_of_its_own(
    server: Box, clips: Path, tmp_path: Path
) -> None:
    model, video = clips / "centerface.onnx", clips / "bikes.mp4"
    pipeline = describe_faces(model, video, tmp_path, V10_15, frames=(40,))
    description = tmp_path / "face.yaml"
    description.write_text("".join(line for line in description.open() if not line.startswith("sha256")))
    told = server.run(V10_15, tmp_path, "bin/edgecore", "run", pipeline)
    assert [line.has_face() for line in told.ended.frames().values()] == [True]
    plan = bytearray((tmp_path / "face.plan").read_bytes())
    inside = plan.index(MARK) + len(MARK) + 8
    plan[inside : inside + 64] = bytes(64)  # sound outside, no model inside
    (tmp_path / "face.plan").write_bytes(plan)
    told = server.run(V10_15, tmp_path, "bin/edgecore", "run", pipeline)
    assert told.ended.code == CORRUPT, told.words


@pytest.fixture(scope="session")
def emulated_model(cache: Workspace) -> Path:
    width_px, height_px = EMULATED_SIZE_PX
    return data.provide_face_model(cache, width_px=width_px, height_px=height_px) / "centerface.onnx"


@pytest.fixture(scope="session")
def desk_lines(
    server: Box, emulated_model: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, FrameLine]:
    """What `cpu` finds in EMULATED_FRAMES, on x86-64."""
    desk = describe_faces(emulated_model, clips / "bikes.mp4", tmp_path_factory.mktemp("desk"), None, EMULATED_FRAMES)
    return server.call(server.tree / "bin/edgecore", "run", desk, env={}).frames()


def test_on_arm64_too_and_nothing_is_copied(
    board: Box,
    release: Release,
    emulated_model: Path,
    clips: Path,
    desk_lines: dict[int, FrameLine],
    tmp_path: Path,
) -> None:
    found, copies = find_faces(board, release, emulated_model, clips / "bikes.mp4", tmp_path, EMULATED_FRAMES)
    assert tuple(found) == EMULATED_FRAMES
    assert sum(line.has_face() for line in found.values()) >= (14 if IS_LONG else 2)
    for number, line in found.items():
        assert line.digests["frame"] == desk_lines[number].digests["frame"]
        assert_same_boxes(line.boxes, desk_lines[number].boxes, place=f"TensorRT {release}, frame {number}")
    assert not any(count for each in copies for count in each.values()), copies
