"""Typed face of the C++ core. Every call that works releases the GIL; every failure raises Error."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Optional, TypedDict, Union, final

import numpy as np
import numpy.typing as npt

from edgecore.errors import Error as Error

__version__: str

_Path = Union[str, os.PathLike[str]]

class BackendInfo(TypedDict):
    name: str
    runtime: str
    devices: int

class BackendFailure(TypedDict):
    """A module that did not open."""

    name: str
    code: str
    error: str
    hint: str

class Timings(TypedDict):
    """Microseconds. With frames in flight, infer is from the start of a frame's run until its outputs are there."""

    decode: int
    preprocess: int
    infer: int
    postprocess: int

class Digests(TypedDict):
    """64-bit FNV-1a; no tensor where it was made in device memory."""

    frame: int
    tensor: Optional[int]

class Copies(TypedDict):
    """Between host and device, since the result before."""

    to_device: int
    to_device_bytes: int
    to_host: int
    to_host_bytes: int

@final
class Frame:
    """One decoded picture in the decoder's own YUV layout."""

    @staticmethod
    def from_planes(
        *planes: npt.NDArray[np.uint8],
        matrix: Literal["bt601", "bt709"] = "bt601",
        range: Literal["limited", "full"] = "limited",
        siting: Literal["left", "center"] = "left",
    ) -> Frame:
        """(y), (y, uv) with uv [height, width, 2], or (y, u, v). Uses the arrays' memory and keeps them alive;
        don't write to them while the frame is in use. Rows have to be dense.

        The colour is what preprocess() converts by; a JPEG's is bt601, full, center.
        """

    @property
    def planes(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """Read-only views on the pixels, without a copy: y, uv or y, u, v. They keep the picture alive."""

    @property
    def width_px(self) -> int: ...
    @property
    def height_px(self) -> int: ...
    @property
    def index(self) -> int:
        """Position in the stream, from 0, counting skipped frames too."""

    @property
    def pts_us(self) -> int:
        """Presentation time in microseconds from the stream's start."""

    @property
    def layout(self) -> Literal["planar", "semi_planar", "gray"]: ...
    @property
    def matrix(self) -> Literal["bt601", "bt709"]: ...
    @property
    def range(self) -> Literal["limited", "full"]:
        """Black and white are 16 and 235, or 0 and 255."""

    @property
    def siting(self) -> Literal["left", "center"]:
        """Horizontal place of a chroma sample: on the left luma sample (H.264, H.265) or between two (JPEG)."""

    def digest(self) -> int:
        """64-bit FNV-1a over the visible samples."""

@final
class Detection:
    def __init__(self, label: int, score: float, box: Sequence[float]) -> None: ...
    @property
    def label(self) -> int:
        """Index into the model's labels."""

    @property
    def score(self) -> float: ...
    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in frame pixels."""

@final
class Placement:
    """Where the picture lies inside the model's input: model pixel = frame pixel * scale + offset."""

    @property
    def scale_x(self) -> float: ...
    @property
    def scale_y(self) -> float: ...
    @property
    def offset_x_px(self) -> int: ...
    @property
    def offset_y_px(self) -> int: ...
    @property
    def width_px(self) -> int: ...
    @property
    def height_px(self) -> int: ...

@final
class Source(Iterator[Frame]):
    """Threads may share one: each frame goes to one of them."""

    def __iter__(self) -> Source: ...
    def __next__(self) -> Frame: ...
    @property
    def description(self) -> str:
        """E.g. "h264 640x272 yuv420p 25 fps"."""

@final
class Model:
    """A described model on one backend. Threads may share one, as long as none runs it with copy=False; their
    calls queue.
    """

    def __init__(self, yaml: _Path, backend: str = "cpu", threads: int = 1) -> None:
        """threads: 1..1024 for the CPU's part of the inference.

        A model whose description names its `sha256` has to be that file. One that nobody vouches for is loaded in a
        process of its own first where the vendor's loader might end this one; Error "corrupt" if it does.
        """

    @property
    def labels(self) -> list[str]: ...
    def preprocess(self, frame: Frame) -> tuple[npt.NDArray[np.float32], Placement]: ...
    def run(self, inputs: dict[str, npt.NDArray[Any]], *, copy: bool = True) -> dict[str, npt.NDArray[Any]]:
        """Outputs by name, the caller's own. copy=False gives read-only views into the engine's memory instead,
        valid until the next run() or detect() of this model: for a model that a single thread uses.
        """

    def detect(self, frame: Frame) -> list[Detection]:
        """preprocess() and run() where the engine's memory is, if it can; else on the CPU."""

@final
class FrameResult:
    @property
    def frame(self) -> Frame: ...
    @property
    def detections(self) -> list[Detection]: ...
    @property
    def timings_us(self) -> Timings: ...
    @property
    def digests(self) -> Optional[Digests]:
        """Only for a pipeline that says `digests: true`."""

    @property
    def copies(self) -> Optional[Copies]:
        """None where none ever was counted."""

@final
class Pipeline(Iterator[FrameResult]):
    """A pipeline.yaml, frame by frame. limit and source stand in for what the file says."""

    def __init__(self, yaml: _Path, *, limit: Optional[int] = None, source: Optional[str] = None) -> None: ...
    def __iter__(self) -> Pipeline: ...
    def __next__(self) -> FrameResult: ...
    @property
    def labels(self) -> list[str]: ...

def open_source(uri: str, frames: Sequence[int] = (), limit: int = 0) -> Source:
    """A video file, an image, a folder of images or an rtsp:// address.

    frames: only these indices, rising; empty: all. limit: stop after so many frames; 0: no limit.
    """

def backends() -> list[Union[BackendInfo, BackendFailure]]:
    """The modules beside this package (or in $EDGECORE_BACKENDS). One that does not open says so in its row."""

def nms(
    detections: Sequence[Detection], iou_threshold: float = 0.45, max_detections: int = 300
) -> list[Detection]:
    """Greedy non-maximum suppression, label by label, best first."""
