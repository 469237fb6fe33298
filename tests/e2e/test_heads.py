"""Heads without a licence-clean model at hand, on small graphs that emit known boxes, through the real runner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.e2e.conftest import Built
from tests.e2e.harness import NATIVE, run_in
from tests.reference.boxes import Box, suppress
from tests.reference.centerface import Letterbox, plan_letterbox, to_frame

FRAME_WIDTH_PX, FRAME_HEIGHT_PX = 640, 272  # bikes.mp4
INPUT_PX = 64
SCORE_THRESHOLD, IOU_THRESHOLD = 0.25, 0.45
LABELS = ("person", "bicycle")

# centre x, centre y, width, height in input pixels, objectness, score of each class
ANCHORS = np.array(
    [
        [20, 32, 10, 8, 0.90, 0.90, 0.10],  # a person
        [21, 32, 10, 8, 0.80, 0.90, 0.10],  # the same person, less sure
        [21, 32, 10, 8, 0.90, 0.10, 0.80],  # a bicycle at the same place
        [50, 30, 6, 6, 0.50, 0.40, 0.30],  # too weak as a product
        [62, 30, 10, 8, 0.70, 0.60, 0.90],  # beyond the right edge
        [40, 33, 4, 12, 0.30, 0.95, 0.90],  # just strong enough
    ],
    dtype=np.float32,
)
LETTERBOX = plan_letterbox(FRAME_WIDTH_PX, FRAME_HEIGHT_PX, INPUT_PX, INPUT_PX)
STRETCH = Letterbox(INPUT_PX / FRAME_WIDTH_PX, INPUT_PX / FRAME_HEIGHT_PX, 0, 0, INPUT_PX, INPUT_PX)


@dataclass(frozen=True)
class Head:
    """output: what the model emits. layout: of its input."""

    kind: str
    fit: str
    layout: str
    output: np.ndarray

    def expected(self) -> list[Box]:
        place = LETTERBOX if self.fit == "letterbox" else STRETCH
        boxes = []
        for x, y, width, height, objectness, *classes in ANCHORS.tolist():
            best = max(range(len(LABELS)), key=classes.__getitem__)
            score = objectness * classes[best]
            corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if score >= SCORE_THRESHOLD:
                boxes.append(to_frame(Box(LABELS[best], score, *corners), place, FRAME_WIDTH_PX, FRAME_HEIGHT_PX))
        return suppress(boxes, IOU_THRESHOLD)


def products() -> np.ndarray:
    """[1, 4 + classes, anchors]: class scores with the objectness multiplied in."""
    return np.concatenate([ANCHORS[:, :4], ANCHORS[:, 4:5] * ANCHORS[:, 5:]], axis=1).T[None]


HEADS = (
    Head("yolov5", "letterbox", "nchw", ANCHORS[None]),
    Head("yolov8", "letterbox", "nchw", products()),
    Head("yolov8", "stretch", "nhwc", products()),
)


def write_model(path: Path, head: Head) -> None:
    """output = constant + 0 * mean(picture): the boxes are known, and the input is still needed."""
    shape = (1, 3, INPUT_PX, INPUT_PX) if head.layout == "nchw" else (1, INPUT_PX, INPUT_PX, 3)
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(head.output, dtype=np.float32), "boxes"),
        numpy_helper.from_array(np.zeros((), np.float32), "nothing"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["boxes", "zero"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, head.output.shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.kind}-{head.fit}-{head.layout}")
def test_a_head_gives_the_boxes_that_the_model_emits(head: Head, native: Built, clips: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model.onnx", head)
    (tmp_path / "model.yaml").write_text(
        f"model: model.onnx\n"
        f"input: {{width_px: {INPUT_PX}, height_px: {INPUT_PX}, fit: {head.fit}, layout: {head.layout}}}\n"
        f"head: {{kind: {head.kind}, score_threshold: {SCORE_THRESHOLD}, iou_threshold: {IOU_THRESHOLD}}}\n"
        f"labels: [{', '.join(LABELS)}]\n"
    )
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(f"source: {{uri: {clips / 'bikes.mp4'}, limit: 1}}\nmodel: model.yaml\n")

    (line,) = run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=60).frames().values()
    expected = head.expected()
    assert [box.label for box in line.boxes] == [box.label for box in expected]
    assert len(expected) == 4
    for found, wanted in zip(line.boxes, expected, strict=True):
        assert found.score == pytest.approx(wanted.score, abs=1e-5)
        assert found.corners == pytest.approx(wanted.corners, abs=0.02)
