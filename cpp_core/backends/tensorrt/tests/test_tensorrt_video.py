"""Video through `source.decoder`, against stand-ins for the video engine, the driver and TensorRT: the pictures and
faces of the CPU, nothing copied up, no rule broken, nothing left behind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest
from tensorrt_boxes import V8_0, V10_3, V10_15, Box, Release, Told, describe_faces
from test_tensorrt_faults import fail_each

from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.harness import SPREAD_FRAMES, FrameLine, assert_same_boxes, call

OUTPUTS = 4  # of the face model
NOT_THERE, CORRUPT = 3, 6
WITHOUT = "hint: leave out source.decoder: the CPU then decodes it"


@pytest.fixture(scope="session")
def small_model(cache: Workspace) -> Path:
    """Most of what is asked here is asked of pictures."""
    return data.provide_face_model(cache, width_px=160, height_px=96) / "centerface.onnx"


@dataclass(frozen=True)
class Desk:
    """Where pipelines differ in the decoder alone."""

    server: Box
    model: Path
    folder: Path

    def describe(self, video: Path, *source: str, release: Release | None = V10_15, decoder: str = "") -> Path:
        """release: None for inference on the CPU as well."""
        path = describe_faces(self.model, video, self.folder, release, ())
        keys = [f"uri: {video.name}", *source, *([f"decoder: {decoder}"] if decoder else [])]
        text = path.read_text().replace(f"uri: {video.name}", ", ".join(keys))
        path.write_text(text)
        return path

    def make(self, name: str) -> Path:
        """A place for a video; beside the pipeline lies the copy that it reads."""
        (self.folder / "made").mkdir(exist_ok=True)
        return self.folder / "made" / name

    def play(self, video: Path, *source: str, release: Release = V10_15) -> Told:
        pipeline = self.describe(video, *source, release=release, decoder=release.module)
        return self.server.run(release, self.folder, "bin/edgecore", "run", pipeline)

    def play_on_cpu(self, video: Path, *source: str) -> Told:
        pipeline = self.describe(video, *source, release=None)
        return Told(self.server.call(self.server.tree / "bin/edgecore", "run", pipeline, env={}), ())


@pytest.fixture
def desk(server: Box, small_model: Path, tmp_path: Path) -> Desk:
    return Desk(server, small_model, tmp_path)


def lines_of(told: Told) -> list[FrameLine]:
    """Of a run that may have ended with an error."""
    return [FrameLine.parse(line) for line in told.ended.stdout.splitlines()]


def copies_of(told: Told) -> dict[str, int]:
    each = [json.loads(line).get("copies", {}) for line in told.ended.stdout.splitlines()]
    return {name: sum(line.get(name, 0) for line in each) for name in ("to_device", "to_host")}


def assert_settled(told: Told) -> None:
    (account,) = told.accounts
    assert account.is_settled(), account


def assert_same_pictures(ours: Told, theirs: Told, count: int) -> None:
    """And times, and numbers; where one ends with an error, the other does with the same code."""
    assert ours.ended.code == theirs.ended.code, ours.words + theirs.words
    found, expected = lines_of(ours), lines_of(theirs)
    assert len(expected) == count
    assert [(line.frame, line.pts_us, line.digests["frame"]) for line in found] == [
        (line.frame, line.pts_us, line.digests["frame"]) for line in expected
    ]
    assert_settled(ours)


def test_every_picture_of_the_video_is_the_cpus(
    desk: Desk, clips: Path, native_lines: dict[str, dict[int, FrameLine]]
) -> None:
    told = desk.play(clips / "bikes.mp4")
    found = told.ended.frames()
    cpu = native_lines["bikes.mp4"]
    assert len(found) == len(cpu) == 250
    for number, line in found.items():
        assert (line.pts_us, line.digests["frame"]) == (cpu[number].pts_us, cpu[number].digests["frame"]), number
    assert_settled(told)


@pytest.mark.parametrize("release", [V8_0, V10_15], ids=str)
def test_the_faces_are_those_of_the_cpu_and_no_picture_goes_up(
    server: Box, release: Release, clips: Path, native_lines: dict[str, dict[int, FrameLine]], tmp_path: Path
) -> None:
    desk = Desk(server, clips / "centerface.onnx", tmp_path)
    told = desk.play(clips / "bikes.mp4", f"frames: [{', '.join(map(str, SPREAD_FRAMES))}]", release=release)
    found = told.ended.frames()
    assert tuple(found) == SPREAD_FRAMES
    assert sum(line.has_face() for line in found.values()) >= 6
    for number, line in found.items():
        cpu = native_lines["bikes.mp4"][number]
        assert line.digests["frame"] == cpu.digests["frame"]
        assert_same_boxes(line.boxes, cpu.boxes, place=f"frame {number}")
    pictures = len(found)  # brought to the host for their digests alone
    assert copies_of(told) == {"to_device": 0, "to_host": OUTPUTS * len(found) + pictures}
    assert_settled(told)


def test_decoding_alone_needs_no_model_of_the_backend(desk: Desk, clips: Path) -> None:
    pipeline = desk.describe(clips / "bikes.mp4", "limit: 5", release=None, decoder="tensorrt10")
    told = desk.server.run(V10_15, desk.folder, "bin/edgecore", "run", pipeline)
    assert_same_pictures(told, desk.play_on_cpu(clips / "bikes.mp4", "limit: 5"), 5)


def encode(codec: str, frames: Iterator[av.VideoFrame], path: Path, *, size: str = "", layout: str = "yuv420p") -> Path:
    """With pictures that refer to later ones."""
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        for number, frame in enumerate(frames):
            width, height = map(int, size.split("x")) if size else (frame.width, frame.height)
            picture = frame.reformat(width, height, layout)
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = width, height, layout
                stream.options = {"preset": "ultrafast", "bf": "2", "x265-params": "log-level=none:bframes=2"}
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def frames_of(video: Path, count: int) -> Iterator[av.VideoFrame]:
    with av.open(str(video)) as container:
        for frame, _ in zip(container.decode(video=0), range(count), strict=False):
            yield frame


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_containers_and_codecs(desk: Desk, clips: Path, codec: str, name: str) -> None:
    if (codec, name) == ("libx265", "clip.avi"):
        name = "clip.hevc"  # nobody puts it there
    video = encode(codec, frames_of(clips / "bikes.mp4", 12), desk.make(name))
    told = desk.play(video)
    assert_same_pictures(told, desk.play_on_cpu(video), 12)
    assert [line.pts_us for line in lines_of(told)] == [40_000 * number for number in range(12)]


def test_a_stream_may_change_its_size(desk: Desk, clips: Path) -> None:
    parts = [
        encode("libx264", frames_of(clips / "bikes.mp4", 6), desk.make(f"{size}.h264"), size=size).read_bytes()
        for size in ("320x136", "192x96", "320x136")
    ]
    video = desk.make("mixed.h264")
    video.write_bytes(b"".join(parts))
    assert_same_pictures(desk.play(video), desk.play_on_cpu(video), 18)


def spoil_picture(video: Path, number: int) -> bytes:
    """Bytes of the packet with that number changed, behind its headers."""
    with av.open(str(video)) as container:
        packet = next(each for at, each in enumerate(container.demux(video=0)) if at == number)
        begin = (packet.pos or 0) + packet.size // 2
    content = bytearray(video.read_bytes())
    content[begin : begin + 40] = bytes(byte ^ 0x5A for byte in content[begin : begin + 40])
    return bytes(content)


def test_damage_is_named_behind_the_pictures_before_it(desk: Desk, clips: Path) -> None:
    whole = encode("libx264", frames_of(clips / "bikes.mp4", 40), desk.make("whole.mp4")).read_bytes()
    cut, spoilt, holed = desk.make("cut.mp4"), desk.make("spoilt.mp4"), desk.make("holed.mp4")
    cut.write_bytes(whole[: len(whole) - len(whole) // 4])
    spoilt.write_bytes(spoil_picture(desk.make("whole.mp4"), 20))
    half = len(whole) // 2
    holed.write_bytes(whole[:half] + bytes(2000) + whole[half + 2000 :])
    for video in (cut, spoilt, holed):
        told, cpu = desk.play(video), desk.play_on_cpu(video)
        assert told.ended.code == cpu.ended.code == CORRUPT, told.words + cpu.words
        assert f"{video.name}: stream ends at frame " in told.ended.stderr
        found, expected = ([line.digests["frame"] for line in lines_of(each)] for each in (told, cpu))
        assert len(found) > 10
        assert found == expected[: len(found)], "a damaged picture passed"
        assert len(expected) - len(found) <= 2
        assert_settled(told)
        if video == spoilt:
            assert "decoder: the picture at 0." in told.ended.stderr


def test_what_the_engine_cannot_decode_is_left_to_the_cpu(desk: Desk, clips: Path) -> None:
    deep = encode("libx265", frames_of(clips / "bikes.mp4", 3), desk.make("deep.mp4"), layout="yuv422p")
    told = desk.play(deep)
    assert told.ended.code == NOT_THERE, told.words
    assert "deep.mp4: 'tensorrt10' decoder: H.265 with chroma format 2, 8 bits: only 4:2:0" in told.ended.stderr
    assert WITHOUT in told.ended.stderr
    assert_settled(told)
    other = encode("mpeg4", frames_of(clips / "bikes.mp4", 3), desk.make("other.mp4"))
    told = desk.play(other)
    assert told.ended.code == NOT_THERE
    assert "other.mp4: a backend's decoder takes H.264 and H.265, and this is mpeg4" in told.ended.stderr
    assert WITHOUT in told.ended.stderr


def test_a_driver_without_the_video_engine_is_told(desk: Desk, clips: Path) -> None:
    libraries = desk.folder / "libraries"
    libraries.mkdir()
    for path in (desk.server.tree / "share/edgecore/stubs" / V10_15.folder).iterdir():
        if "nvcuvid" not in path.name:
            (libraries / path.name).symlink_to(path)
    pipeline = desk.describe(clips / "bikes.mp4", release=None, decoder="tensorrt10")
    env = {"LD_LIBRARY_PATH": str(libraries)}
    ended = desk.server.call(desk.server.tree / "bin/edgecore", "run", pipeline, env=env)
    assert ended.code == NOT_THERE
    assert "the video engine's library cannot be opened: libnvcuvid.so.1" in ended.stderr


def test_every_call_into_the_video_engine_may_fail(desk: Desk, clips: Path) -> None:
    """Those of TensorRT apart: inference is on the CPU."""
    pipeline = desk.describe(clips / "bikes.mp4", "limit: 2", release=None, decoder="tensorrt10")
    quiet = ("cuvidDestroyDecoder", "cuvidDestroyVideoParser", "cuvidCtxLockDestroy", "cuvidGetDecodeStatus")

    faults = fail_each(desk.server, V10_15, desk.folder, "bin/edgecore", "run", pipeline, quiet=quiet)
    assert {"cuvidCreateDecoder", "cuvidDecodePicture", "cuvidMapVideoFrame64", "cuMemcpy2DAsync"} <= {
        fault.call for fault in faults
    }


def test_what_gpu_check_runs_on_a_gpu_runs(desk: Desk, clips: Path) -> None:
    """gpu_frames.py, whose verdict is of a stand-in here."""
    encode("libx264", frames_of(clips / "bikes.mp4", 40), desk.make("bikes.mp4"))
    desk.describe(clips / "bikes.mp4", release=None)
    (desk.folder / "face.yaml").rename(desk.folder / "made/centerface.yaml")
    (desk.folder / "face.onnx").rename(desk.folder / "made/face.onnx")
    script = Path(__file__).with_name("gpu_frames.py")
    env = {"LD_LIBRARY_PATH": str(desk.server.tree / "share/edgecore/stubs" / V10_15.folder)}
    argv = (sys.executable, script, desk.server.tree, desk.folder / "made", "tensorrt10")
    ended = call(*argv, timeout_s=120, env=env)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "bikes.mp4: 40 pictures, 0 differ from the CPU's; copies: 0 to_device, 40 to_host" in ended.stdout
    assert "0 of 2 comparisons failed" in ended.stdout


def test_on_arm64_too(desk: Desk, orin: Box, clips: Path) -> None:
    """On a GPU that shares the CPU's memory, under emulation."""
    cpu = lines_of(desk.play_on_cpu(clips / "bikes.mp4", "frames: [0, 1, 5]"))
    pipeline = desk.describe(clips / "bikes.mp4", "frames: [0, 1, 5]", release=V10_3, decoder="tensorrt10")
    told = orin.run(V10_3, desk.folder, "bin/edgecore", "run", pipeline)
    assert told.ended.code == 0, told.words
    found = lines_of(told)
    assert [line.frame for line in found] == [0, 1, 5]
    for ours, theirs in zip(found, cpu, strict=True):
        assert (ours.pts_us, ours.digests["frame"]) == (theirs.pts_us, theirs.digests["frame"])
        assert_same_boxes(ours.boxes, theirs.boxes, place=f"frame {ours.frame}")
    assert copies_of(told) == {"to_device": 0, "to_host": 3}  # for the digests
    assert_settled(told)
