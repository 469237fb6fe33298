"""NVIDIA's own library, the lean runtime 10.15, as far as it goes without a driver: its words are ours, with a remedy.

Without a usable driver it also returns a pointer that points nowhere; whoever used it would not end with an exit code.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tensorrt_boxes import V10_15, Box, describe_faces

from edgebuild.build.sysroot import provide_sysroot
from edgebuild.config.targets import load_sysroot
from edgebuild.config.yaml import load_yaml
from edgebuild.fetch import fetch_all
from edgebuild.model.recipe import Download
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.harness import NEW_ROOT, Ended

_LOCK = Path(__file__).with_name("lean.lock")


@pytest.fixture(scope="session")
def lean(cache: Workspace) -> dict[str, Path]:
    """Architecture -> folder with libnvinfer_lean.so.10."""

    def provide(wheel: Download) -> Path:
        def make(folder: Path) -> None:
            unpack_wheel(*fetch_all((wheel,), ws=cache), folder)

        title = "Providing the lean runtime of TensorRT"
        return cache.provide("testdata", "lean", wheel.sha256, make, title) / "tensorrt_lean_libs"

    x86_64, aarch64 = map(provide, load_yaml(_LOCK, tuple[Download, ...]))
    return {"x86_64": x86_64, "aarch64": aarch64}


@pytest.fixture(params=["server", "orin"])
def box(request: pytest.FixtureRequest, cache: Workspace) -> Box:
    """The arm64 one in a newer root: this build of the library needs glibc 2.35."""
    chosen: Box = request.getfixturevalue(request.param)
    if chosen.root is None:
        return chosen
    return replace(chosen, root=provide_sysroot(NEW_ROOT, *load_sysroot(NEW_ROOT, cache), ws=cache))


def backends(box: Box, **env: str) -> str:
    """What is said of tensorrt10."""
    document = box.call(box.tree / "bin/edgecore", "backends", "--json", env=env).json()
    (found,) = (each for each in document["backends"] if each["name"] == "tensorrt10")
    return str(found)


def stubs(box: Box) -> str:
    return str(box.tree / "share/edgecore/stubs/tensorrt10")


def test_without_the_library_it_is_named(box: Box) -> None:
    told = backends(box)
    assert "libnvinfer.so.10: cannot open shared object file" in told
    assert "libnvinfer_lean.so.10: cannot open shared object file" in told
    assert "install TensorRT 10.x" in told


def test_without_the_driver_that_is_named(box: Box, lean: dict[str, Path]) -> None:
    told = backends(box, LD_LIBRARY_PATH=str(lean[box.spec.arch.name]))
    assert "libcuda.so.1: cannot open shared object file" in told
    assert "install the driver of this box" in told


def test_without_a_gpu_the_drivers_words_are_ours(box: Box, lean: dict[str, Path]) -> None:
    library = lean[box.spec.arch.name] / "libnvinfer_lean.so.10"
    told = backends(box, LD_LIBRARY_PATH=stubs(box), EDGECORE_TENSORRT=str(library), EDGECORE_STAND_IN_DEVICES="0")
    assert (
        "cuInit: CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected, 100); in a container, pass a GPU in" in told
    )


def open_plan(box: Box, lean: dict[str, Path], cache: Workspace, folder: Path) -> Ended:
    """The stand-in's driver, which is enough for us and not for NVIDIA's library."""
    model = data.provide_face_model(cache) / "centerface.onnx"
    pipeline = describe_faces(model, data.provide_videos(cache) / "bikes.mp4", folder, V10_15, frames=(0,))
    library = lean[box.spec.arch.name] / "libnvinfer_lean.so.10"
    env = {"LD_LIBRARY_PATH": stubs(box), "EDGECORE_TENSORRT": str(library)}
    assert "'runtime': 'TensorRT 10.15.1'" in backends(box, **env)
    return box.call(box.tree / "bin/edgecore", "run", pipeline, env=env)


def test_what_the_library_says_of_the_driver_is_ours_with_a_remedy(
    box: Box, lean: dict[str, Path], cache: Workspace, tmp_path: Path
) -> None:
    ended = open_plan(box, lean, cache, tmp_path)
    assert ended.code == 1, ended.stderr  # not a signal: the pointer was left alone
    assert f"error: {tmp_path}/face.plan: createInferRuntime: Error Code 6: API Usage Error" in ended.stderr
    assert "CUDA initialization failure with error: 35" in ended.stderr
    assert "does the NVIDIA driver serve the CUDA version that TensorRT 10.15.1 was built for?" in ended.stderr
