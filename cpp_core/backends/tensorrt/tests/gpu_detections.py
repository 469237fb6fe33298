"""The whole module on this machine's GPU and TensorRT: plans made here, the contract suite, real video against `cpu`.

    python gpu_detections.py TREE CLIPS BACKEND OUTDIR

TREE: runtime with its tests laid over it. CLIPS: centerface.onnx, its description, VIDEOS (`make demo` fills out/demo).
BACKEND: tensorrt8 or tensorrt10. Any Python that has TensorRT's own module of that version; it makes the plans.
OUTDIR: holds input/*.jpg, as gpu_clips.py makes them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import tensorrt

VIDEOS = ("bikes.mp4", "bigbuckbunny.mp4")
SCORE_TOLERANCE = 1e-4  # what two CPUs' float arithmetic may differ by, too
CORNER_TOLERANCE_PX = 0.1


def make_plan(onnx: Path, plan: Path) -> None:
    """In float32 throughout: TF32 would be another arithmetic than the CPU's. Kernels of TensorRT's own alone, because
    cuDNN and cuBLAS need not be there.
    """
    log = tensorrt.Logger(tensorrt.Logger.ERROR)
    builder = tensorrt.Builder(log)
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = tensorrt.OnnxParser(network, log)
    if not parser.parse(onnx.read_bytes()):
        raise SystemExit(f"{onnx}: {parser.get_error(0)}")
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)
    wanted = (tensorrt.TacticSource.EDGE_MASK_CONVOLUTIONS, tensorrt.TacticSource.JIT_CONVOLUTIONS)
    config.set_tactic_sources(sum(1 << int(source) for source in wanted))
    plan.write_bytes(builder.build_serialized_network(network, config))


def write_pipeline(folder: Path, name: str, source: str, backend: str) -> Path:
    path = folder / f"{name}-{backend}.yaml"
    path.write_text(f"source: {{{source}}}\nmodel: {backend}.yaml\nbackend: {backend}\n")
    return path


def frames(tree: Path, pipeline: Path) -> list[dict[str, Any]]:
    ended = subprocess.run([tree / "bin/edgecore", "run", pipeline], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    pairs = list(zip(ours["detections"], theirs["detections"]))  # noqa: B905 (3.9 and older; lengths are compared)
    return len(ours["detections"]) == len(theirs["detections"]) and all(
        a["label"] == b["label"]
        and abs(a["score"] - b["score"]) <= SCORE_TOLERANCE
        and max(abs(x - y) for x, y in zip(a["box"], b["box"])) <= CORNER_TOLERANCE_PX  # noqa: B905
        for a, b in pairs
    )


def compare(title: str, expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> bool:
    different = sum(not same(a, b) for a, b in zip(expected, found))  # noqa: B905
    stages = {
        stage: round(statistics.median(line["timings_us"][stage] for line in found))
        for stage in ("decode", "preprocess", "infer")
    }
    uploads = sum(line["copies"]["to_device"] for line in found)
    detections = sum(len(line["detections"]) for line in found)
    print(
        f"{title}: {len(found)} frames, {detections} detections, {different} frames differ from cpu; "
        f"{uploads} uploads; medians in us: {stages}"
    )
    return different == 0 and len(expected) == len(found)


def main() -> int:
    tree, clips, backend, out = Path(sys.argv[1]), Path(sys.argv[2]).resolve(), sys.argv[3], Path(sys.argv[4]).resolve()
    fixtures = out / "fixtures" / backend / "tests"
    fixtures.mkdir(parents=True, exist_ok=True)
    affine = Path(__file__).resolve().parents[2] / "cpu/tests/affine.onnx"
    make_plan(affine, fixtures / "affine.plan")
    contract = [tree / "bin/edgecore-contract", tree / "lib/edgecore", out / "fixtures", "--backends", backend]
    sound = subprocess.run(contract, check=False).returncode == 0

    make_plan(clips / "centerface.onnx", out / "centerface.plan")
    description = (clips / "centerface.yaml").read_text()
    (out / "cpu.yaml").write_text(description.replace("centerface.onnx", str(clips / "centerface.onnx")))
    (out / f"{backend}.yaml").write_text(description.replace("centerface.onnx", "centerface.plan"))
    print(f"TensorRT {tensorrt.__version__}, {backend}, float32")
    sources = {video: (f"uri: {clips / video}",) * 2 for video in VIDEOS}
    for video in VIDEOS:
        sources[f"{video}, decoded there"] = (f"uri: {clips / video}", f"uri: {clips / video}, decoder: {backend}")
    pictures = out / "pictures"
    pictures.mkdir(exist_ok=True)
    for jpeg in (out / "input").glob("*.jpg"):
        (pictures / jpeg.name).write_bytes(jpeg.read_bytes())
    sources["JPEG files"] = (f"uri: {pictures}", f"uri: {pictures}, decoder: {backend}")
    for title, (on_cpu, on_gpu) in sources.items():
        name = title.replace(" ", "-").replace(",", "")
        expected = frames(tree, write_pipeline(out, name, on_cpu, "cpu"))
        found = frames(tree, write_pipeline(out, name, on_gpu, backend))
        sound = compare(title, expected, found) and sound
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
