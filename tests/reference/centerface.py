"""An independent answer to "where are the faces?": PyAV, numpy and onnxruntime, written from the definitions.

Nothing here follows the C++ core. Colours go through swscale's RGB, sampling is in float, and the grid is
decoded with array operations, so an agreement of boxes is an agreement of two ways.
Sources: Zhou et al., "Objects as Points" (arXiv:1904.07850); Xu et al., "CenterFace" (arXiv:1911.03599).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import onnxruntime
from av.video.reformatter import Colorspace, Interpolation

from tests.reference.boxes import Box, suppress

SCORE_THRESHOLD = 0.35
IOU_THRESHOLD = 0.3
STRIDE_PX = 4  # input pixels per cell of the grid
_HEATMAP, _SCALE, _OFFSET = "537", "538", "539"  # output names of the published model

# The most exact conversion that swscale has: rounding everywhere, chroma interpolated to full resolution.
_ACCURATE = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

Image = npt.NDArray[np.uint8]  # [height, width, 3], RGB
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Letterbox:
    """Picture inside the model's input: input pixel = frame pixel * scale + offset."""

    scale_x: float
    scale_y: float
    left_px: int
    top_px: int
    width_px: int
    height_px: int


class CenterFace:
    """model: the ONNX file with a fixed input size."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]

    def detect(self, image: Image) -> list[Box]:
        """Faces in frame pixels, best first."""
        _, _, height_px, width_px = self._input.shape
        tensor, letterbox = letterboxed(image, width_px=width_px, height_px=height_px)
        maps = self._session.run([_HEATMAP, _SCALE, _OFFSET], {self._input.name: tensor})
        boxes = decode_grid(*maps)
        frame_height_px, frame_width_px, _ = image.shape
        return suppress([to_frame(box, letterbox, frame_width_px, frame_height_px) for box in boxes], IOU_THRESHOLD)


def read_rgb(video: Path) -> Iterator[Image]:
    """Every frame in presentation order."""
    with av.open(video) as container:
        for frame in container.decode(video=0):
            matrix = assumed_matrix(frame)
            rgb = frame.reformat(format="rgb24", interpolation=_ACCURATE, src_colorspace=matrix, dst_colorspace=matrix)
            yield rgb.to_ndarray()


def assumed_matrix(frame: av.VideoFrame) -> Colorspace:
    """What the stream says; where it says nothing, BT.709 for high definition and BT.601 below, as players do.

    swscale alone takes BT.601 for both, which shifts the scores of a 720p clip by a hundredth.
    """
    if frame.colorspace in (Colorspace.ITU709, Colorspace.ITU601):
        return frame.colorspace
    return Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601


def plan_letterbox(frame_width_px: int, frame_height_px: int, width_px: int, height_px: int) -> Letterbox:
    """Aspect ratio kept, whole pixels, centred."""
    ratio = min(width_px / frame_width_px, height_px / frame_height_px)
    picture_width_px, picture_height_px = round(frame_width_px * ratio), round(frame_height_px * ratio)
    return Letterbox(
        scale_x=picture_width_px / frame_width_px,
        scale_y=picture_height_px / frame_height_px,
        left_px=(width_px - picture_width_px) // 2,
        top_px=(height_px - picture_height_px) // 2,
        width_px=picture_width_px,
        height_px=picture_height_px,
    )


def letterboxed(image: Image, *, width_px: int, height_px: int) -> tuple[Floats, Letterbox]:
    """[1, 3, height, width] with samples 0..255 on black bars, and where the picture lies."""
    box = plan_letterbox(image.shape[1], image.shape[0], width_px, height_px)
    rows = _resample(image.astype(np.float64), box.height_px, axis=0)
    picture = _resample(rows, box.width_px, axis=1)
    canvas = np.zeros((height_px, width_px, 3))
    canvas[box.top_px : box.top_px + box.height_px, box.left_px : box.left_px + box.width_px] = picture
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32), box


def _resample(samples: npt.NDArray[np.float64], size: int, *, axis: int) -> npt.NDArray[np.float64]:
    """Linear along one axis; pixel centres lie at half-integers, the border is repeated."""
    count = samples.shape[axis]
    position = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, count - 1)
    weight = (position - below).reshape([-1 if each == axis else 1 for each in range(samples.ndim)])
    return samples.take(below, axis) * (1 - weight) + samples.take(above, axis) * weight


def decode_grid(heatmap: Floats, scale: Floats, offset: Floats) -> list[Box]:
    """Boxes in input pixels. scale: (log height, log width) in cells; offset: (y, x) inside the cell."""
    row, column = np.nonzero(heatmap[0, 0] >= SCORE_THRESHOLD)
    centre_y = (row + 0.5 + offset[0, 0, row, column]) * STRIDE_PX
    centre_x = (column + 0.5 + offset[0, 1, row, column]) * STRIDE_PX
    half_height, half_width = np.exp(scale[0][:, row, column].astype(np.float64)) * STRIDE_PX / 2
    corners = (centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height)
    scores = heatmap[0, 0, row, column]
    return [Box("face", float(score), *map(float, place)) for score, *place in zip(scores, *corners, strict=True)]


def to_frame(box: Box, letterbox: Letterbox, width_px: int, height_px: int) -> Box:
    """From input pixels to frame pixels, clipped to the frame."""

    def x(value: float) -> float:
        return min(max((value - letterbox.left_px) / letterbox.scale_x, 0.0), float(width_px))

    def y(value: float) -> float:
        return min(max((value - letterbox.top_px) / letterbox.scale_y, 0.0), float(height_px))

    return Box(box.label, box.score, x(box.x0), y(box.y0), x(box.x1), y(box.y1))
