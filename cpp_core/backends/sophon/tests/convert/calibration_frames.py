"""Runs in the converter's Python: frames of a video, made ready for the face model, as one .npz each.

usage: calibration_frames.py VIDEO FOLDER WIDTH_PX HEIGHT_PX INPUT FRAME...
"""

import sys
from pathlib import Path

import cv2
import numpy as np


def letterbox(frame: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """RGB, black bars, 0..255, NCHW: what cpp_core/models/centerface.yaml describes."""
    factor = min(width_px / frame.shape[1], height_px / frame.shape[0])
    inner = round(frame.shape[1] * factor), round(frame.shape[0] * factor)
    picture = cv2.cvtColor(cv2.resize(frame, inner, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    canvas = np.zeros((height_px, width_px, 3), np.float32)
    top, left = (height_px - inner[1]) // 2, (width_px - inner[0]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = picture
    return canvas.transpose(2, 0, 1)[None]


def main(video: str, folder: Path, width_px: int, height_px: int, name: str, wanted: set[int]) -> None:
    capture = cv2.VideoCapture(video)
    for number in range(max(wanted) + 1):
        is_there, frame = capture.read()
        if not is_there:
            sys.exit(f"{video}: ends before frame {number}")
        if number in wanted:
            np.savez(folder / f"{number:05}.npz", **{name: letterbox(frame, width_px, height_px)})


if __name__ == "__main__":
    video, folder, width_px, height_px, name, *frames = sys.argv[1:]
    main(video, Path(folder), int(width_px), int(height_px), name, {int(frame) for frame in frames})
