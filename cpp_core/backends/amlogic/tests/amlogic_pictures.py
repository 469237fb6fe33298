"""Which pictures are for what. Nothing is proven on a picture that something was chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data import FACE_HEIGHT_PX, FACE_WIDTH_PX
from tests.reference import centerface

Picture = NDArray[np.float32]  # [1, 3, h, w], values 0..255
Frames = Mapping[str, tuple[int, ...]]  # by video

CALIBRATION: Frames = {"bikes.mp4": (0, 15, 30, 36, 42, 60)}  # the ranges of the tensors come from these
SELECTION: Frames = {"bikes.mp4": (0, 36, 60, 90, 120, 150)}  # the NPU's arithmetic was looked for with these
PROOF: Frames = {"bikes.mp4": (105, 135, 195), "bigbuckbunny.mp4": (20, 110)}
FACES: Frames = {"bikes.mp4": (96, 100, 104, 108, 112, 116, 124, 128, 132, 136)}  # another scene than calibration's


def middles(clips: Path, frames: Frames, *, height_px: int, width_px: int) -> list[Picture]:
    return [_middle(image, height_px, width_px) for image in _read(clips, frames)]


def letterboxed(clips: Path, frames: Frames) -> list[Picture]:
    """As the detector takes them."""
    return [
        centerface.letterboxed(image, width_px=FACE_WIDTH_PX, height_px=FACE_HEIGHT_PX)[0]
        for image in _read(clips, frames)
    ]


def _middle(image: centerface.Image, height_px: int, width_px: int) -> Picture:
    top, left = (image.shape[0] - height_px) // 2, (image.shape[1] - width_px) // 2
    part = image[top : top + height_px, left : left + width_px]
    return np.ascontiguousarray(part.transpose(2, 0, 1)[None]).astype(np.float32)


def _read(clips: Path, frames: Frames) -> list[centerface.Image]:
    return [
        image
        for video, numbers in frames.items()
        for number, image in enumerate(centerface.read_rgb(clips / video))
        if number in numbers
    ]
