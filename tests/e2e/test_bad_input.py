"""Bad input ends with its exit code and one clear error: no traceback, and nothing half-written."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from edgebuild.config.yaml import load_yaml
from edgebuild.model.recipe import ToolchainLock
from tests.e2e.conftest import Built
from tests.e2e.harness import NATIVE, REPOSITORY, Ended, call, run_in
from tests.web import WebServer

ROW = f"edgebuild/targets/{NATIVE}.yaml"


def assert_one_clear_error(ended: Ended, code: int, error: str, hint: str = "") -> None:
    assert ended.code == code, ended.stderr
    assert "Traceback" not in ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ended.stderr
    assert re.search(error, errors[0]), errors[0]
    assert not hint or re.search(rf"^  hint: .*{hint}", ended.stderr, re.MULTILINE), ended.stderr


def files_below(folder: Path) -> set[str]:
    """Lock files and logs apart: they are not products."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".log"))
    return {path.relative_to(folder).as_posix() for path in files}


# ---- The driver: rows, recipes, locks, downloads ----


@dataclass(frozen=True)
class Checkout:
    """A copy of what edgebuild is installed as, to be spoilt, with a cache and an index of its own."""

    root: Path
    index: WebServer

    def path(self, name: str) -> Path:
        return self.root / name

    def rewrite(self, name: str, old: str, new: str) -> None:
        text = self.path(name).read_text()
        assert old in text, f"{name} has no '{old}'"
        self.path(name).write_text(text.replace(old, new, 1))

    def call(self, *argv: str) -> Ended:
        env = {
            "PYTHONPATH": str(self.root),
            "EDGEBUILD_CACHE": str(self.root / "cache"),
            "PIP_INDEX_URL": self.index.url("/simple"),
        }
        return call(sys.executable, "-m", "edgebuild", *argv, timeout_s=120, cwd=self.root, env=env)

    def made(self) -> set[str]:
        return {name for room in ("cache", "out", "build") for name in files_below(self.root / room)}


@pytest.fixture
def checkout(tmp_path: Path, web: WebServer) -> Checkout:
    ignore = shutil.ignore_patterns("__pycache__")
    for room in ("edgebuild", "toolchains", "sysroots", "images"):
        if (REPOSITORY / room).is_dir():
            shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=ignore)
    (tmp_path / "cpp_core").symlink_to(REPOSITORY / "cpp_core")
    return Checkout(tmp_path, web)


def locked_wheels() -> Iterator[tuple[str, str]]:
    """(project, file) of the toolchain for this machine."""
    lock = load_yaml(REPOSITORY / "toolchains" / "zig.lock", ToolchainLock)
    return ((each.pypi, each.file) for each in lock.wheels["x86_64"])


def serve_other_bytes(checkout: Checkout) -> None:
    for project, file in locked_wheels():
        checkout.index.add_package(project, file, b"not the wheel that was locked")


def serve_half(checkout: Checkout) -> None:
    serve_other_bytes(checkout)
    for _, file in locked_wheels():
        checkout.index.cuts[f"/files/{file}"] = 3


def as_it_is(_: Checkout) -> None:
    pass


def spoil(name: str, old: str, new: str) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.rewrite(name, old, new)


BUILD = ("build", "--target", NATIVE)


@dataclass(frozen=True)
class DriverCase:
    name: str
    spoil: Callable[[Checkout], None]
    argv: tuple[str, ...]
    code: int
    error: str
    hint: str = ""


DRIVER_CASES = (
    DriverCase(
        "unknown target",
        as_it_is,
        ("build", "--target", "generic-arm46"),
        2,
        "no target named 'generic-arm46'",
        "did you mean 'generic-arm64'",
    ),
    DriverCase(
        "wrong type",
        spoil(ROW, "backends: [cpu]", "backends: cpu"),
        BUILD,
        2,
        rf"{NATIVE}\.yaml: backends: expected 'array', got 'str'",
    ),
    DriverCase(
        "unknown key",
        spoil(ROW, "backends:", "bakends:"),
        BUILD,
        2,
        rf"{NATIVE}\.yaml: unknown key 'bakends'",
        "did you mean 'backends'",
    ),
    DriverCase(
        "tab",
        spoil(ROW, "proof: {", "proof:\n\tlevel: none\nother: {"),
        BUILD,
        2,
        rf"{NATIVE}\.yaml:\d+: a tab in the indentation",
        "spaces only",
    ),
    DriverCase(
        "stale lock",
        spoil("toolchains/zig.yaml", "title:", "title: Another"),
        BUILD,
        2,
        r"zig\.lock: no longer matches zig\.yaml",
        "edgebuild toolchain lock zig",
    ),
    DriverCase("wrong sha256", serve_other_bytes, BUILD, 6, r"\.whl: sha256 is [0-9a-f]{64}, but the lock says"),
    DriverCase("truncated download", serve_half, BUILD, 3, r"\.whl: could not be fetched: the connection ended"),
    DriverCase(
        "offline with an empty cache",
        as_it_is,
        ("--offline", *BUILD),
        3,
        r"(\.whl.*not in the cache|not in the cache.*\.whl)",
        "without --offline",
    ),
)


@pytest.mark.parametrize("case", DRIVER_CASES, ids=lambda case: case.name)
def test_the_driver(case: DriverCase, checkout: Checkout) -> None:
    case.spoil(checkout)
    assert_one_clear_error(checkout.call(*case.argv), case.code, case.error, case.hint)
    assert checkout.made() == set()


# ---- The runner: videos, models, descriptions ----


def half(clip: Path, place: Path) -> None:
    """Its index is at the end, and gone."""
    place.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])


def cut_after_its_index(clip: Path, place: Path) -> None:
    """Opens well and breaks off on the way."""
    whole = place.with_suffix(".whole.mp4")
    with av.open(clip) as source, av.open(whole, "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    half(whole, place)
    whole.unlink()


def damaged(clip: Path, place: Path) -> None:
    """Other bytes in the middle of the pictures."""
    content = bytearray(clip.read_bytes())
    middle = slice(len(content) * 2 // 5, len(content) // 2)
    content[middle] = bytes((byte * 7 + 13) & 0xFF for byte in content[middle])
    place.write_bytes(content)


def no_video(_: Path, place: Path) -> None:
    place.write_text("frames: none\n" * 1000)


def zero_bytes(_: Path, place: Path) -> None:
    place.write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (half, r"clip\.mp4: not a video .* or a damaged one"),
        (cut_after_its_index, r"clip\.mp4: stream (ends|breaks off) at frame \d+ of 250"),
        (damaged, r"clip\.mp4: stream (ends|breaks off) at frame \d+ of 250"),
        (no_video, r"clip\.mp4: not a video"),
        (zero_bytes, r"clip\.mp4: the file is empty"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_video_that_is_none(
    make: Callable[[Path, Path], None], error: str, native: Built, clips: Path, tmp_path: Path
) -> None:
    make(clips / "bikes.mp4", tmp_path / "clip.mp4")
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(f"source: {{uri: clip.mp4}}\nmodel: {clips / 'centerface.yaml'}\nannotate: annotated\n")
    ended = run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=120)
    assert_one_clear_error(ended, 6, error)
    # Every frame that was told has its picture, whole, and there is nothing else.
    told = [re.search(r'"frame": (\d+)', line) for line in ended.stdout.splitlines()]
    pictures = {f"annotated/frame-{int(line[1]):06}.jpg" for line in told if line}
    assert files_below(tmp_path) == {"clip.mp4", "pipeline.yaml", *pictures}
    assert all((tmp_path / name).read_bytes().endswith(b"\xff\xd9") for name in pictures)


def write_face_pipeline(folder: Path, clips: Path, *, old: str = "", new: str = "") -> Path:
    """pipeline.yaml, centerface.yaml with `old` replaced, and the model, in a folder of their own."""
    text = (clips / "centerface.yaml").read_text()
    assert old in text, f"centerface.yaml has no '{old}'"
    (folder / "centerface.yaml").write_text(text.replace(old, new, 1) if old else text)
    shutil.copyfile(clips / "centerface.onnx", folder / "centerface.onnx")
    (folder / "pipeline.yaml").write_text(f"source: {{uri: {clips / 'bikes.mp4'}}}\nmodel: centerface.yaml\n")
    return folder / "pipeline.yaml"


@pytest.mark.parametrize(
    "content", [b"not a model\n" * 100, b"", bytes(range(256)) * 64], ids=["text", "empty", "noise"]
)
def test_a_file_that_is_not_a_model(content: bytes, native: Built, clips: Path, tmp_path: Path) -> None:
    pipeline = write_face_pipeline(tmp_path, clips)
    (tmp_path / "centerface.onnx").write_bytes(content)
    ended = run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=60)
    assert_one_clear_error(ended, 6, r"centerface\.onnx: ")
    assert ended.stdout == ""


def test_a_model_that_breaks_off(native: Built, clips: Path, tmp_path: Path) -> None:
    pipeline = write_face_pipeline(tmp_path, clips)
    model = tmp_path / "centerface.onnx"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    ended = run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=60)
    assert_one_clear_error(ended, 6, r"centerface\.onnx: ")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("width_px: 320", "width_px: 640", r"describes float32 1x3x224x640, but .* 1x3x224x320"),
        ("name: input.1", "name: image", r"input\.name: the model has no input named 'image'"),
        ('heatmap: "537"', 'heatmap: "999"', r"'999'"),
        ("labels: [face]", "labels: [face, hand]", r"output '537' is 1x1x56x80, but a centernet head with 2 labels"),
        ("stride: 4", "stride: 8", r"output '537' is 1x1x56x80"),
        ("kind: centernet", "kind: centernte", r"no decoder named 'centernte'"),
        ("stride: 4", "strode: 4", r"centerface\.yaml:\d+: head\.strode: unknown key"),
    ],
)
def test_a_description_that_contradicts_the_model(
    old: str, new: str, error: str, native: Built, clips: Path, tmp_path: Path
) -> None:
    pipeline = write_face_pipeline(tmp_path, clips, old=old, new=new)
    ended = run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=60)
    assert_one_clear_error(ended, 2, error)
    assert ended.stdout == ""
