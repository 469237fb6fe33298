"""Pictures in NvBufSurfaces: our view of them against NVIDIA's own library, in system memory, which needs no GPU and no
driver; and as input of an engine, on stand-ins for a Jetson's libraries.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import onnx
import pytest
from make_plan import make_plan
from tensorrt_boxes import V8_5, V10_3, V10_15, Box, Release, Told, describe_faces, read_report

from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of
from edgebuild.fetch import fetch_all
from edgebuild.model.recipe import Download
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.fixtures import Built
from tests.e2e.harness import assert_same_boxes

_LOCK = Path(__file__).with_name("surface.lock")
_LIBRARIES = ("nvidia/deepstream_videodecode/_libs", "nvidia/cu13/lib")
LEFT_TO_CPU = 3  # exit of edgecore-surface-prepare
FRAMES = (32, 40)
TOLD = (
    "NvBufSurfaceMapEglImage",
    "cuGraphicsEGLRegisterImage",
    "cuGraphicsResourceGetMappedEglFrame",
    "cuMemcpy2DAsync",
)


@pytest.fixture(scope="session")
def maker(cache: Workspace) -> Path:
    """The unpacked wheels."""
    wheels = load_yaml(_LOCK, tuple[Download, ...])

    def make(folder: Path) -> None:
        for wheel in fetch_all(wheels, ws=cache):
            unpack_wheel(wheel, folder)

    key = digest_of([wheel.sha256 for wheel in wheels])
    return cache.provide("testdata", "surface", key, make, "Providing NvBufSurface")


def check(native: Built, *folders: Path) -> subprocess.CompletedProcess[str]:
    program = native.tree / "bin" / "edgecore-surface-check"
    path = ":".join(map(str, folders))
    return subprocess.run([program], env={"LD_LIBRARY_PATH": path}, capture_output=True, text=True, timeout=60)


def test_pictures_are_read_where_the_makers_library_put_them(native: Built, maker: Path) -> None:
    stand_in = native.tree / "share/edgecore/stubs/tensorrt10"  # a libcuda.so.1: the library is linked with the driver
    ended = check(native, *(maker / folder for folder in _LIBRARIES), stand_in)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "7 formats, 0 failures" in ended.stdout


def test_without_the_library_it_is_named(native: Built) -> None:
    ended = check(native)
    assert ended.returncode == 2
    assert "libnvbufsurface.so cannot be opened" in ended.stdout


def identity_plan(folder: Path, release: Release) -> Path:
    """out = in: what an engine made of a picture comes back as it is."""
    sides: list[str | int | None] = [1, "a", "b", "c"]
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides) for name in ("in", "out")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["in"], ["out"])], "same", ports[:1], ports[1:])
    opsets = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    plan = folder / f"identity-{release}.plan"
    plan.write_bytes(make_plan(model, release.number))
    return plan


def prepare(
    box: Box, release: Release, folder: Path, count: int, *, fail: int | str = 0, with_surfaces: bool = True
) -> Told:
    """edgecore-surface-prepare with the driver's stand-in, whose ledger that of NvBufSurface writes in, too."""
    report = folder / "account.jsonl"
    report.unlink(missing_ok=True)
    stubs = box.tree / "share/edgecore/stubs"
    folders = [stubs / release.folder, *([stubs / "nvbufsurface"] if with_surfaces else [])]
    env = {
        "LD_LIBRARY_PATH": ":".join(map(str, folders)),
        "EDGECORE_STAND_IN_REPORT": str(report),
        "EDGECORE_STAND_IN_FAIL": str(fail),
    }
    program = (box.tree / "bin/edgecore-surface-prepare", box.tree / "lib/edgecore", release.module)
    plan = identity_plan(folder, release)
    return read_report(report, box.call(*program, plan, str(count), env=env, timeout_s=600))


def check_prepared(box: Box, release: Release, folder: Path, count: int) -> None:
    told = prepare(box, release, folder, count)
    assert told.ended.code == 0, told.words
    assert f"{3 * count + 4} pictures, 0 differ; copies to the device: 0" in told.ended.stdout
    (account,) = told.accounts
    assert account.is_settled(), account


def test_an_engine_takes_pictures_where_a_decoder_left_them(server: Box, tmp_path: Path) -> None:
    """Pitch and block linear, bit for bit as on the CPU; buffers used again, and descriptors that come back."""
    check_prepared(server, V10_15, tmp_path, 20)


def test_on_arm64_too(orin: Box, xavier: Box, tmp_path: Path) -> None:
    for box, release in ((orin, V10_3), (xavier, V8_5)):
        check_prepared(box, release, tmp_path, 6)


def test_without_nvbufsurface_such_pictures_are_left_to_the_cpu(server: Box, tmp_path: Path) -> None:
    told = prepare(server, V10_15, tmp_path, 1, with_surfaces=False)
    assert told.ended.code == LEFT_TO_CPU, told.words
    assert "the picture is in a dma-buf: libnvbufsurface.so cannot be opened" in told.ended.stdout
    (account,) = told.accounts
    assert account.is_settled(), account


def test_every_call_for_such_a_picture_may_fail(server: Box, tmp_path: Path) -> None:
    """An error that names it, unless it gives back, and nobody is left to tell."""
    told = prepare(server, V10_15, tmp_path, 1, fail="each")
    assert told.ended.code == 0, told.words
    failed: dict[str, set[int]] = {}
    for branch in told.branches:
        (account,) = branch.accounts
        assert account.is_settled(), f"{account}\n{branch.words}"
        failed.setdefault(account.failed, set()).add(branch.ended.code)
    print(failed)
    assert len(told.branches) == told.accounts[0].calls
    assert {code for codes in failed.values() for code in codes} <= {0, 1, LEFT_TO_CPU}
    assert failed["NvBufSurfaceFromFd"] == {LEFT_TO_CPU, 1}  # at the first picture, and when it was relied on
    for call in TOLD:
        assert failed[call] == {1}, call


def test_from_a_jetsons_decoder_into_its_engine_nothing_is_copied(
    server: Box, orin: Box, cache: Workspace, tmp_path: Path
) -> None:
    """The real video, arm64 emulated: decoded on v4l2's stand-in into block-linear surfaces, run from there."""
    model = data.provide_face_model(cache, width_px=192, height_px=128) / "centerface.onnx"
    video = data.provide_videos(cache) / "bikes.mp4"
    desk = describe_faces(model, video, tmp_path, None, FRAMES)
    expected = server.call(server.tree / "bin/edgecore", "run", desk, env={}).frames()

    pipeline = describe_faces(model, video, tmp_path, V10_3, FRAMES)
    told = pipeline.read_text().replace("source: {", "source: {decoder: v4l2, ").replace("digests: true\n", "")
    pipeline.write_text(told)  # without digests, for which pictures would have to come to the host
    stubs = orin.tree / "share/edgecore/stubs"
    report = tmp_path / "account.jsonl"
    env = {
        "LD_LIBRARY_PATH": ":".join(str(stubs / name) for name in (V10_3.folder, "v4l2", "nvbufsurface")),
        "EDGECORE_STAND_IN_REPORT": str(report),
    }
    ended = orin.call(orin.tree / "bin/edgecore", "run", pipeline, env=env, timeout_s=600)
    found = ended.frames()
    assert tuple(found) == FRAMES
    for number, line in found.items():
        assert line.has_face()
        assert_same_boxes(line.boxes, expected[number].boxes, place=f"frame {number}")
    assert not any(sum(json.loads(line).get("copies", {}).values()) for line in ended.stdout.splitlines()), ended.stdout
    accounts = read_report(report, ended).accounts
    assert len(accounts) == 2, "the decoder's ledger and the driver's"
    assert all(account.is_settled() for account in accounts), accounts
