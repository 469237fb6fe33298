"""What a batch is worth: four streams through one engine on the CPU, frame by frame and four frames in a run.

    python -m tests.bench.streams_bench        after `edgebuild build --target generic-x86_64`; about a minute

The same frames of the same video on both sides, by turns; the best of three rounds each.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from edgebuild.log import Log
from edgebuild.workspace import Workspace
from tests import data
from tests.batch_model import write_batched
from tests.e2e.harness import NATIVE, run_in

_STREAMS, _FRAMES, _ROUNDS = 4, 60, 3
_SIDES = {"one by one": "", "in batches": f"engine: {{batch: {_STREAMS}}}\n"}


def prepare(folder: Path) -> dict[str, Path]:
    """Side -> its pipeline. Both use the model of a free batch."""
    data.fill(folder, Workspace.open(project=Path.cwd(), out=None, log=Log(quiet=True)))
    write_batched(folder / "centerface.onnx", folder / "free.onnx")
    description = data.FACE_DESCRIPTION.read_text().replace("centerface.onnx", "free.onnx")
    (folder / "free.yaml").write_text(description)
    sources = "".join(f"  camera-{at}: {{uri: bikes.mp4, limit: {_FRAMES}}}\n" for at in range(_STREAMS))
    pipelines = {}
    for side, engine in _SIDES.items():
        pipelines[side] = folder / f"{side.replace(' ', '-')}.yaml"
        pipelines[side].write_text(f"sources:\n{sources}model: free.yaml\n{engine}")
    return pipelines


def seconds(pipeline: Path) -> float:
    start = time.monotonic()
    ended = run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=300).succeed()
    assert len(ended.stdout.splitlines()) == _STREAMS * _FRAMES
    return time.monotonic() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipelines = prepare(Path(folder))
        best = dict.fromkeys(pipelines, float("inf"))
        for _ in range(_ROUNDS):
            for side, pipeline in pipelines.items():
                best[side] = min(best[side], seconds(pipeline))
    frames = _STREAMS * _FRAMES
    print(f"{_STREAMS} streams of {_FRAMES} frames, CenterFace 320x224, 1 thread for the model, {os.cpu_count()} cores")
    for side, wall_s in best.items():
        print(f"  {side}: {wall_s:.2f} s with start and end, {frames / wall_s:.1f} frames/s")
    one, batch = best.values()
    print(f"  batches against one by one: {one / batch:.2f} times as fast")


if __name__ == "__main__":
    main()
