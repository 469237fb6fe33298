"""How the end-to-end tests use edgebuild: as a person would, through the command line, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.reference.boxes import Box

REPOSITORY = Path(__file__).resolve().parents[2]
BACKENDS = REPOSITORY / "cpp_core" / "backends"
NATIVE, ARM = "generic-x86_64", "generic-arm64"
OLD_ROOT, NEW_ROOT = "debian-11-arm64", "debian-12-arm64"
SURE_SCORE = 0.45  # a box of this score has to be found by everyone; the model reports from 0.35 on

# Ten frames spread over bikes.mp4; a face is there from 30 to 43, 81 to 82 and 103 to 136.
SPREAD_FRAMES = (0, 32, 40, 82, 105, 109, 118, 126, 134, 220)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    def succeed(self) -> Ended:
        assert self.code == 0, f"exit {self.code}\n{self.stderr}\n{self.stdout}"
        return self

    def json(self) -> Any:
        assert self.code == 0, self.stderr
        return json.loads(self.stdout)

    def frames(self) -> dict[int, FrameLine]:
        """The runner's lines by frame number."""
        assert self.code == 0, self.stderr
        lines = [FrameLine.parse(line) for line in self.stdout.splitlines()]
        return {line.frame: line for line in lines}


@dataclass(frozen=True)
class FrameLine:
    """One line of the runner. digests: of the decoded frame and the input tensor."""

    frame: int
    pts_us: int
    boxes: tuple[Box, ...]
    digests: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(line: str) -> FrameLine:
        document = json.loads(line)
        assert set(document["timings_us"]) == {"decode", "preprocess", "infer", "postprocess"}
        boxes = tuple(Box.from_json(each) for each in document["detections"])
        return FrameLine(document["frame"], document["pts_us"], boxes, document.get("digests", {}))

    def has_face(self) -> bool:
        return any(box.score >= SURE_SCORE for box in self.boxes)


def call(*argv: str | Path, timeout_s: float, cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None) -> Ended:
    """Any command. Everything emulated is bounded: a crash under emulation may hang for ever."""
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def edgebuild(
    *argv: str | Path, timeout_s: float = 300, cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None
) -> Ended:
    """The command line of this checkout."""
    return call(sys.executable, "-m", "edgebuild", *argv, timeout_s=timeout_s, cwd=cwd, env=env)


def run_in(
    row: str, *argv: str | Path, root: str = "", options: tuple[str | Path, ...] = (), timeout_s: float
) -> Ended:
    """A program of the artifact of `row`, in one of its roots."""
    place = ("--root", root) if root else ()
    return edgebuild("run", "--target", row, *place, *options, "--", *argv, timeout_s=timeout_s)


def write_pipeline(folder: Path, name: str, video: str, *, frames: tuple[int, ...] = ()) -> Path:
    """A pipeline on `folder`'s video and face model that also tells the digests."""
    path = folder / f"{name}.yaml"
    path.write_text(
        f"source: {{uri: {video}, frames: [{', '.join(map(str, frames))}]}}\nmodel: centerface.yaml\ndigests: true\n"
    )
    return path


def assert_same_boxes(ours: tuple[Box, ...], theirs: tuple[Box, ...], *, place: str) -> None:
    """The same faces to 0.1 px and a score of 1e-4: what two CPUs' float arithmetic may differ by."""
    assert len(ours) == len(theirs), place
    for a, b in zip(ours, theirs, strict=True):
        assert a.label == b.label, place
        assert abs(a.score - b.score) <= 1e-4, f"{place}: scores {a.score} and {b.score}"
        assert max(abs(x - y) for x, y in zip(a.corners, b.corners, strict=True)) <= 0.1, f"{place}: {a} and {b}"
