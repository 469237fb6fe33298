"""Boxes, and what it means that two detectors agree on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Box:
    """Corners in pixels."""

    label: str
    score: float
    x0: float
    y0: float
    x1: float
    y1: float

    @staticmethod
    def from_json(detection: dict[str, Any]) -> Box:
        """One entry of `detections` in a line of the runner."""
        return Box(detection["label"], detection["score"], *detection["box"])

    @property
    def corners(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x1, self.y1

    @property
    def area(self) -> float:
        return max(0.0, self.x1 - self.x0) * max(0.0, self.y1 - self.y0)


def iou(a: Box, b: Box) -> float:
    """Intersection over union."""
    common = Box("", 0.0, max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1)).area
    union = a.area + b.area - common
    return common / union if union > 0 else 0.0


def suppress(boxes: Sequence[Box], iou_threshold: float) -> list[Box]:
    """Greedy non-maximum suppression among boxes of one label, best first."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda each: -each.score):
        if all(other.label != box.label or iou(box, other) <= iou_threshold for other in kept):
            kept.append(box)
    return kept


@dataclass(frozen=True)
class Agreement:
    """pairs: (ours, reference). lonely: boxes of either side that had to have a partner and have none."""

    pairs: tuple[tuple[Box, Box], ...]
    lonely: tuple[Box, ...]


def compare(ours: Sequence[Box], reference: Sequence[Box], *, sure_score: float, min_iou: float = 0.5) -> Agreement:
    """Matches boxes one to one, the best overlap first.

    Every box of sure_score or more on either side needs a partner of the same label, whatever the
    partner's own score: both sides report from a lower threshold, so that a box that is near sure_score
    cannot be lost by standing on the two sides of it. Pairs of which neither is sure don't count.
    """
    overlaps = sorted(
        ((iou(a, b), i, j) for i, a in enumerate(ours) for j, b in enumerate(reference) if a.label == b.label),
        reverse=True,
    )
    partner: dict[int, int] = {}
    for overlap, i, j in overlaps:
        if overlap >= min_iou and i not in partner and j not in partner.values():
            partner[i] = j
    pairs = tuple((ours[i], reference[j]) for i, j in partner.items())
    lonely = (
        *(box for i, box in enumerate(ours) if i not in partner and box.score >= sure_score),
        *(box for j, box in enumerate(reference) if j not in partner.values() and box.score >= sure_score),
    )
    return Agreement(tuple(pair for pair in pairs if max(pair[0].score, pair[1].score) >= sure_score), lonely)
