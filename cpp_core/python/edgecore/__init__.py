"""Video analytics: source, model, pipeline. See __init__.pyi for what each call takes and gives."""

from edgecore._core import (
    Detection,
    Frame,
    FrameResult,
    Model,
    Pipeline,
    Placement,
    Source,
    __version__,
    backends,
    nms,
    open_source,
)
from edgecore.errors import Error

__all__ = [
    "Detection",
    "Error",
    "Frame",
    "FrameResult",
    "Model",
    "Pipeline",
    "Placement",
    "Source",
    "__version__",
    "backends",
    "nms",
    "open_source",
]
