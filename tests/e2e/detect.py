"""Runs on the box's own Python, 3.9 or later, with the wheel importable: `detect.py PIPELINE` prints JSON lines."""

import json
import platform
import sys

import edgecore
import numpy


def main(path: str) -> None:
    pipeline = edgecore.Pipeline(path)
    for result in pipeline:
        luma = result.frame.planes[0]
        assert luma.dtype == numpy.uint8 and luma.shape == (result.frame.height_px, result.frame.width_px)
        line = {
            "frame": result.frame.index,
            "pts_us": result.frame.pts_us,
            "detections": [
                {"label": pipeline.labels[each.label], "score": each.score, "box": each.box}
                for each in result.detections
            ],
            "timings_us": result.timings_us,
            "digests": {name: f"{value:016x}" for name, value in result.digests.items()},
        }
        print(json.dumps(line))
    print(platform.machine(), platform.python_version(), numpy.__version__, file=sys.stderr)


main(sys.argv[1])
