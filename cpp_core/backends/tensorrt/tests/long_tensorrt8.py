"""NVIDIA's own TensorRT 8.6.0, as far as it goes without a driver.

Not collected by itself, because it fetches 819 MB: `make long`.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from tensorrt_boxes import V8_6, Box, describe_faces

from edgebuild.config.yaml import load_yaml
from edgebuild.fetch import fetch_all
from edgebuild.model.recipe import Download
from edgebuild.workspace import Workspace
from tests.e2e.harness import Ended

_LOCK = Path(__file__).with_name("tensorrt8.lock")
CORRUPT = 6


@pytest.fixture(scope="session")
def library(cache: Workspace) -> Path:
    """libnvinfer.so.8, 235 MB; the rest of the wheel is the builder's."""
    wheels = load_yaml(_LOCK, tuple[Download, ...])

    def make(folder: Path) -> None:
        (wheel,) = fetch_all(wheels, ws=cache)
        with zipfile.ZipFile(wheel) as archive:
            archive.extract("tensorrt/libnvinfer.so.8", folder)

    return cache.provide("testdata", "tensorrt8", wheels[0].sha256, make, "Providing TensorRT 8.6.0") / "tensorrt"


def run(server: Box, library: Path, *argv: str | Path, driver: bool = True, devices: int = 1) -> Ended:
    """driver: the stand-in's, which is enough for us and not for NVIDIA's library."""
    folders = [str(library), *([str(server.tree / "share/edgecore/stubs/tensorrt8")] if driver else [])]
    env = {"LD_LIBRARY_PATH": ":".join(folders), "EDGECORE_STAND_IN_DEVICES": str(devices)}
    return server.call(server.tree / "bin/edgecore", *argv, env=env)


def told_of_tensorrt8(ended: Ended) -> str:
    (found,) = (each for each in ended.json()["backends"] if each["name"] == "tensorrt8")
    return str(found)


def test_it_opens_and_the_driver_is_asked_first(server: Box, library: Path) -> None:
    told = told_of_tensorrt8(run(server, library, "backends", "--json", driver=False))
    assert "libcuda.so.1: cannot open shared object file" in told
    told = told_of_tensorrt8(run(server, library, "backends", "--json", devices=0))
    assert "cuInit: CUDA_ERROR_NO_DEVICE" in told
    told = told_of_tensorrt8(run(server, library, "backends", "--json"))
    assert "'runtime': 'TensorRT 8.6.0'" in told


def test_where_it_ends_the_process_the_trial_has_its_last_words(
    server: Box, library: Path, clips: Path, tmp_path: Path
) -> None:
    """It follows a null pointer in its own createInferRuntime."""
    model, video = clips / "centerface.onnx", clips / "bikes.mp4"
    pipeline = describe_faces(model, video, tmp_path, V8_6, frames=(0,))
    description = tmp_path / "face.yaml"
    description.write_text("".join(line for line in description.open() if not line.startswith("sha256")))
    ended = run(server, library, "run", pipeline)
    assert ended.code == CORRUPT, ended.stderr
    assert "TensorRT: CUDA initialization failure with error: 36" in ended.stderr
    assert "ended it with signal 11" in ended.stderr
