"""`edgecore run` on real video, decoded by the GPU's video engine and by the CPU: the same pictures bit for bit, how
many a second, and the copies that were counted.

    python gpu_frames.py TREE CLIPS BACKEND

TREE: runtime. CLIPS: *.mp4, centerface.onnx and its description (gpu_check.sh fills both). BACKEND: tensorrt8 or
tensorrt10. Inference is on the CPU here, so that TensorRT need not be there. Any Python from 3.8 on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

DAMAGED_BYTES = 2000


class Run(NamedTuple):
    code: int
    lines: list[dict[str, Any]]
    said: str
    wall_s: float


def edgecore(tree: Path, clips: Path, video: Path, keys: str, *, digests: bool) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Path(folder) / "pipeline.yaml"
        pipeline.write_text(
            f"source: {{uri: {video.resolve()}, {keys}}}\nmodel: {(clips / 'centerface.yaml').resolve()}\n"
            f"digests: {str(digests).lower()}\nengine: {{threads: {min(os.cpu_count() or 1, 16)}}}\n"
        )
        begun = time.monotonic()
        ended = subprocess.run(
            [tree / "bin/edgecore", "run", pipeline],
            capture_output=True,
            text=True,
            check=False,
        )
        wall_s = time.monotonic() - begun
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    return Run(ended.returncode, lines, ended.stderr.strip(), wall_s)


def pictures(run: Run) -> list[tuple[int, int, str]]:
    return [(line["frame"], line["pts_us"], line["digests"]["frame"]) for line in run.lines]


def count_copies(run: Run) -> str:
    each = [line.get("copies", {}) for line in run.lines]
    return ", ".join(f"{sum(one.get(way, 0) for one in each)} {way}" for way in ("to_device", "to_host"))


def compare(tree: Path, clips: Path, video: Path, backend: str) -> bool:
    """Every picture; then the source alone, asked for the last picture: the time until it comes is that of all."""
    decoder = f"decoder: {backend}"
    cpu = edgecore(tree, clips, video, "limit: 100000", digests=True)
    gpu = edgecore(tree, clips, video, decoder, digests=True)
    if cpu.code != 0 or gpu.code != 0:
        print(f"{video.name}: exit {cpu.code} on the CPU, {gpu.code} with the GPU\n{cpu.said}\n{gpu.said}")
        return False
    expected, found = pictures(cpu), pictures(gpu)
    different = sum(a != b for a, b in zip(expected, found)) + abs(len(expected) - len(found))  # noqa: B905 (3.8)
    print(f"{video.name}: {len(found)} pictures, {different} differ from the CPU's; copies: {count_copies(gpu)}")
    last = f"frames: [{len(expected) - 1}]"
    for title, keys in (
        ("CPU, 1 thread", last),
        ("CPU, 8 threads", f"{last}, threads: 8"),
        ("GPU", f"{last}, {decoder}"),
    ):
        alone = edgecore(tree, clips, video, keys, digests=False)
        decode_us = alone.lines[0]["timings_us"]["decode"] if alone.lines else 0
        rate = len(expected) / decode_us * 1e6 if decode_us else 0.0
        print(f"  {title + ':':<15} {rate:6.0f} pictures a second from the source")
    for title, keys in (("CPU", "limit: 100000"), ("GPU", decoder)):
        whole = edgecore(tree, clips, video, keys, digests=False)
        print(
            f"  {title + ':':<15} {len(whole.lines) / whole.wall_s:6.0f} a second with inference on the CPU; "
            f"copies: {count_copies(whole)}"
        )
    return different == 0 and len(found) > 0


def compare_damaged(tree: Path, clips: Path, video: Path, backend: str) -> bool:
    """In the middle of the file: both name it, and no damaged picture passes for a whole one."""
    content = video.read_bytes()
    half = len(content) // 2
    with tempfile.TemporaryDirectory() as folder:
        damaged = Path(folder) / f"damaged-{video.name}"
        damaged.write_bytes(content[:half] + bytes(DAMAGED_BYTES) + content[half + DAMAGED_BYTES :])
        cpu = edgecore(tree, clips, damaged, "limit: 100000", digests=True)
        gpu = edgecore(tree, clips, damaged, f"decoder: {backend}", digests=True)
    expected, found = pictures(cpu), pictures(gpu)
    is_prefix = len(found) > 0 and found == expected[: len(found)]
    verdict = "the same" if is_prefix else "NOT the same"
    print(f"{damaged.name}: {len(expected)} pictures on the CPU, {len(found)} with the GPU, {verdict}")
    print(f"  CPU: exit {cpu.code}, {cpu.said}\n  GPU: exit {gpu.code}, {gpu.said}")
    return is_prefix and gpu.code == cpu.code != 0


def main() -> int:
    tree, clips, backend = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    videos = sorted(clips.glob("*.mp4"))
    sound = [compare(tree, clips, video, backend) for video in videos]
    sound.append(compare_damaged(tree, clips, clips / "bikes.mp4", backend))
    print(f"edgecore run with {backend}'s decoder: {sound.count(False)} of {len(sound)} comparisons failed")
    return 0 if all(sound) else 1


if __name__ == "__main__":
    raise SystemExit(main())
