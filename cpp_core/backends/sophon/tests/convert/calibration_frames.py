"""Runs in the converter's Python: frames of a video, made ready for the face model, as .npz files.

usage: calibration_frames.py VIDEO FOLDER WIDTH_PX HEIGHT_PX INPUT FRAME:X:Y...

Each frame whole, and two windows round (X, Y), as large as the input and half as large: what is near the camera.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np


def letterbox(frame: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """RGB, black bars, 0..255, NCHW, bilinear: what the runner makes for cpp_core/models/centerface.yaml."""
    factor = min(width_px / frame.shape[1], height_px / frame.shape[0])
    inner = round(frame.shape[1] * factor), round(frame.shape[0] * factor)
    picture = cv2.cvtColor(cv2.resize(frame, inner, interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB)
    canvas = np.zeros((height_px, width_px, 3), np.float32)
    top, left = (height_px - inner[1]) // 2, (width_px - inner[0]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = picture
    return canvas.transpose(2, 0, 1)[None]


def window(frame: np.ndarray, x: int, y: int, width_px: int, height_px: int) -> np.ndarray:
    left = min(max(x - width_px // 2, 0), frame.shape[1] - width_px)
    top = min(max(y - height_px // 2, 0), frame.shape[0] - height_px)
    return frame[top : top + height_px, left : left + width_px]


def pictures(frame: np.ndarray, x: int, y: int, width_px: int, height_px: int) -> Iterator[np.ndarray]:
    yield letterbox(frame, width_px, height_px)
    for part in (1, 2):
        yield letterbox(window(frame, x, y, width_px // part, height_px // part), width_px, height_px)


def main(video: str, folder: Path, size: tuple[int, int], name: str, wanted: dict[int, tuple[int, int]]) -> None:
    capture = cv2.VideoCapture(video)
    for number in range(max(wanted) + 1):
        is_there, frame = capture.read()
        if not is_there:
            sys.exit(f"{video}: ends before frame {number}")
        if number in wanted:
            for index, picture in enumerate(pictures(frame, *wanted[number], *size)):
                np.savez(folder / f"{number:05}-{index}.npz", **{name: picture})


if __name__ == "__main__":
    video, folder, width_px, height_px, name, *frames = sys.argv[1:]
    wanted = {int(frame): (int(x), int(y)) for frame, x, y in (each.split(":") for each in frames)}
    main(video, Path(folder), (int(width_px), int(height_px)), name, wanted)
