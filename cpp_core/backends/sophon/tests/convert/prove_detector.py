"""The face detector, converted for each chip and run by the module on the maker's runtime and simulators.

Minutes for each chip, and CPython 3.10 for the conversion: `make models` runs it, the gate does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from convert_models import float_share, provide_face_models
from pictures import BIKES, CALIBRATION, CHOICE, PROOF, provide_proof
from sophon_models import CHIPS, load_lock, small_model
from sophon_runs import Place, relative_error, simulator

from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.fixtures import Built
from tests.e2e.harness import FrameLine
from tests.reference.boxes import iou
from tests.reference.centerface import letterboxed, read_rgb

NUMBERS_OF = (36, 132)  # of bikes.mp4, whose outputs are compared number by number
WORST = 1e-4  # of each output's largest value
LEAST_MEAN_IOU = 0.9
LEAST_FACES = 30
MOST_FLOAT = 0.2  # of the multiply-adds: a model with more of them in F32 is not an INT8 model
_TIMEOUT_S = 3600


@dataclass(frozen=True)
class Detector:
    """One chip's models, on that chip's simulator."""

    chip: str
    place: Place
    models: Path
    folder: Path

    def model(self, quantization: str) -> Path:
        return self.models / f"centerface-{quantization}-{self.chip}.bmodel"

    def detect(self, quantization: str, source: str, frames: tuple[int, ...]) -> dict[int, FrameLine]:
        """The runner that ships on a video or picture, frame by frame."""
        suffix = "_f32" if self.outputs_are_cast(quantization) else ""
        digest = load_lock()[self.model(quantization).stem].sha256  # vouched for: no trial before the run
        described = f"model: {self.model(quantization)}\nsha256: {digest}"
        text = data.FACE_DESCRIPTION.read_text().replace("model: centerface.onnx", described)
        for name, operator in (("537", "Sigmoid"), ("538", "Conv"), ("539", "Conv")):
            text = text.replace(f'"{name}"', f'"{name}_{operator}{suffix}"')
        (self.folder / "face.yaml").write_text(text)
        pipeline = self.folder / f"{quantization}.yaml"
        wanted = ", ".join(map(str, frames))
        pipeline.write_text(f"source: {{uri: {source}, frames: [{wanted}]}}\nmodel: face.yaml\nbackend: sophon\n")
        words = (self.place.tree / "bin" / "edgecore", "run", pipeline, "--backends", self.place.modules)
        ended = self.place.call(*words, timeout_s=_TIMEOUT_S)
        assert ended.code == 0, ended.stderr[-2000:]
        lines = [FrameLine.parse(line) for line in ended.stdout.splitlines()]
        return {line.frame: line for line in lines}

    def outputs_are_cast(self, quantization: str) -> bool:
        """Then the converter puts _f32 behind their names."""
        return b"538_Conv_f32" in self.model(quantization).read_bytes()


@pytest.fixture(params=CHIPS)
def detector(request: pytest.FixtureRequest, native: Built, cache: Workspace, tmp_path: Path) -> Detector:
    provide_proof(cache, tmp_path)
    place = simulator(native, request.param, cache)
    return Detector(request.param, place, provide_face_models(cache), tmp_path)


def test_no_picture_of_the_proof_was_calibrated_with_or_chosen_by() -> None:
    calibration, choice = ({(BIKES, frame) for frame in frames} for frames in (CALIBRATION, CHOICE))
    proof = {(source, frame) for source, frames in PROOF.items() for frame in frames}
    assert not calibration & choice
    assert not proof & (calibration | choice)


def test_most_of_an_int8_model_is_in_int8(cache: Workspace) -> None:
    share = float_share(cache)
    print(f"{share:.1%} of the INT8 models' multiply-adds are in F32")
    assert share <= MOST_FLOAT


def test_f32_outputs_are_those_of_onnx_runtime(detector: Detector, cache: Workspace) -> None:
    size = {"width_px": data.FACE_WIDTH_PX, "height_px": data.FACE_HEIGHT_PX}
    video = enumerate(read_rgb(data.provide_videos(cache) / "bikes.mp4"))
    inputs = [letterboxed(image, **size)[0] for number, image in video if number in NUMBERS_OF]
    outputs = detector.place.run(detector.model("f32"), detector.folder, *inputs)

    onnx = data.provide_face_model(cache) / "centerface.onnx"
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    worst: dict[str, float] = {}
    for image, found in zip(inputs, outputs.runs, strict=True):
        for name, numbers in found.items():
            (expected,) = session.run([name.split("_")[0]], {"input.1": image.astype(np.float32)})
            worst[name] = max(worst.get(name, 0.0), relative_error(numbers, expected))
    print(
        f"{detector.chip}: F32, largest error of {len(inputs)} frames in units of the output's largest value: {worst}"
    )
    assert max(worst.values()) <= WORST


def test_int8_finds_the_faces_of_f32(detector: Detector) -> None:
    """A face that INT8 does not find counts as overlap 0."""
    overlaps: list[float] = []
    more = 0
    for source, frames in PROOF.items():
        exact, quantized = (detector.detect(each, source, frames) for each in ("f32", "int8"))
        assert exact.keys() == quantized.keys() == set(frames)
        found = [
            max((iou(face, other) for other in quantized[number].boxes), default=0.0)
            for number, line in exact.items()
            for face in line.boxes
        ]
        more += sum(len(line.boxes) for line in quantized.values()) - sum(overlap > 0 for overlap in found)
        print(f"{detector.chip}: INT8, {source}, {len(found)} faces, mean IoU {np.mean(found):.3f}")
        overlaps += found
    lost = overlaps.count(0.0)
    print(f"{detector.chip}: INT8, {len(overlaps)} faces, mean IoU {np.mean(overlaps):.3f}, ", end="")
    print(f"least {min(overlaps):.3f}, {lost} lost, {more} boxes that F32 does not have")
    assert len(overlaps) >= LEAST_FACES
    assert np.mean(overlaps) >= LEAST_MEAN_IOU


@pytest.mark.parametrize("chip", CHIPS)
def test_the_whole_contract_holds_on_the_chip(native: Built, cache: Workspace, tmp_path: Path, chip: str) -> None:
    tests = tmp_path / "sophon" / "tests"
    tests.mkdir(parents=True)
    (tests / "affine.bmodel").write_bytes(small_model("affine", chip, cache))
    ended = simulator(native, chip, cache).contract(tmp_path)
    assert ended.code == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert " 0 failed" in ended.stdout
