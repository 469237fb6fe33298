"""Several streams through one engine: each finds what it finds alone, and one that fails is its own affair."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import data
from tests.batch_model import write_batched
from tests.e2e.conftest import Built
from tests.e2e.harness import Ended, FrameLine, assert_same_boxes, call

FRAMES = 60
STREAMS = {"door": "bikes.mp4", "till-2": "bigbuckbunny.mp4"}
CORRUPT = 6


@pytest.fixture(scope="module")
def batched(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the clips, the face model and two of its kind: of a free batch and of one of three."""
    folder = tmp_path_factory.mktemp("streams")
    for path in clips.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    description = data.FACE_DESCRIPTION.read_text()
    for name, batch in (("free", None), ("three", 3)):
        write_batched(clips / "centerface.onnx", folder / f"{name}.onnx", batch=batch)
        (folder / f"{name}.yaml").write_text(description.replace("centerface.onnx", f"{name}.onnx"))
    return folder


def write_streams(folder: Path, model: str, sources: dict[str, str], rest: str = "") -> Path:
    lines = "".join(f"  {name}: {{{keys}}}\n" for name, keys in sources.items())
    path = folder / "streams.yaml"
    path.write_text(f"sources:\n{lines}model: {model}.yaml\ndigests: true\n{rest}")
    return path


def run(built: Built, pipeline: Path, *options: str | Path) -> Ended:
    return call(built.tree / "bin" / "edgecore", "run", pipeline, *options, timeout_s=120)


def by_stream(ended: Ended) -> dict[str, list[FrameLine]]:
    lines: dict[str, list[FrameLine]] = {}
    for line in ended.stdout.splitlines():
        lines.setdefault(json.loads(line)["stream"], []).append(FrameLine.parse(line))
    return lines


@pytest.mark.parametrize(
    ("model", "engine"),
    [("centerface", ""), ("free", "engine: {batch: 4, batch_wait_ms: 200}\n"), ("three", "")],
    ids=["one by one", "a free batch", "a fixed batch"],
)
def test_each_stream_finds_what_it_finds_alone(
    model: str, engine: str, native: Built, batched: Path, native_lines: dict[str, dict[int, FrameLine]]
) -> None:
    sources = {name: f"uri: {video}, limit: {FRAMES}" for name, video in STREAMS.items()}
    ended = run(native, write_streams(batched, model, sources, engine)).succeed()
    assert ended.stdout.startswith('{"stream": ')
    lines = by_stream(ended)
    assert set(lines) == set(STREAMS)
    for name, video in STREAMS.items():
        assert [line.frame for line in lines[name]] == list(range(FRAMES))
        for line in lines[name]:
            alone = native_lines[video][line.frame]
            assert (line.pts_us, line.digests) == (alone.pts_us, alone.digests)
            assert_same_boxes(line.boxes, alone.boxes, place=f"{name}: frame {line.frame}")
    assert any(line.has_face() for line in lines["door"])


def test_a_broken_stream_of_three_is_told_once_and_the_others_go_on(native: Built, batched: Path) -> None:
    whole = (batched / "bikes.mp4").read_bytes()
    (batched / "damaged.mp4").write_bytes(whole[: len(whole) // 2])
    sources = {
        "door": "uri: bikes.mp4, limit: 20",
        "yard": "uri: damaged.mp4",
        "till": "uri: bigbuckbunny.mp4, limit: 20",
    }
    ended = run(native, write_streams(batched, "free", sources, "engine: {batch: 3}\nannotate: seen\n"))
    assert ended.code == CORRUPT
    (told,) = ended.stderr.splitlines()
    assert told.startswith(f"error: stream 'yard': {batched}/damaged.mp4: "), told
    lines = by_stream(ended)
    for name in ("door", "till"):
        assert [line.frame for line in lines[name]] == list(range(20))
        assert len(list((batched / "seen" / name).glob("frame-*.jpg"))) == 20
    assert [line.frame for line in lines.get("yard", [])] == list(range(len(lines.get("yard", []))))


def test_limit_is_each_streams_and_one_source_does_not_stand_in_for_several(native: Built, batched: Path) -> None:
    pipeline = write_streams(batched, "centerface", {name: f"uri: {video}" for name, video in STREAMS.items()})
    lines = by_stream(run(native, pipeline, "--limit", "3").succeed())
    assert {name: len(each) for name, each in lines.items()} == dict.fromkeys(STREAMS, 3)
    refused = run(native, pipeline, "--source", "bikes.mp4")
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: --source: the pipeline names several sources")


@contextmanager
def silent_camera() -> Iterator[int]:
    """Takes connections and never says a word. Its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("word", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_streams_of_which_one_is_silent(
    word: signal.Signals, code: int, native: Built, batched: Path, tmp_path: Path
) -> None:
    """The status counts the streams that run; the silent one holds up neither them nor the end."""
    with silent_camera() as port:
        sources = {"door": "uri: bikes.mp4, loop: true", "yard": f"uri: 'rtsp://127.0.0.1:{port}/1'"}
        pipeline = write_streams(batched, "centerface", sources)
        status = tmp_path / "status.json"
        runner = native.tree / "bin" / "edgecore"
        words = [str(each) for each in (runner, "run", pipeline, "--quiet", "--status", status)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            end = time.monotonic() + 20
            while not status.exists():
                assert time.monotonic() < end and process.poll() is None
                time.sleep(0.05)
            assert json.loads(call(runner, "health", status, timeout_s=20).stdout)["frames"] >= 1
            process.send_signal(word)
            stopped = time.monotonic()
            assert process.communicate(timeout=20) == (b"", b"")
            assert process.returncode == code
            assert time.monotonic() - stopped < 5  # the camera's own limit is 10 s
