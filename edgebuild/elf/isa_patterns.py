"""Which A64 words are instructions that not every CPU has: isa_aarch64.txt as lookup tables for millions of words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_TABLE = Path(__file__).with_name("isa_aarch64.txt")
_BITS = slice(12, 47)  # of a line; the feature's name is before
_CHUNK_WORDS = 1 << 21  # what fits into a CPU's cache beside the tables
Words = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Patterns:
    """Three steps, each for what the one before has left: upper half, some of the lower half, every bit.

    features: name per pattern. groups: number of the set of patterns that an upper half fits to, 0 for none.
    lower: for a group, which lower halves (see _folded) fit to one of its patterns. members: patterns of a group.
    """

    features: tuple[str, ...]
    masks: Words
    values: Words
    groups: npt.NDArray[np.uint16]
    lower: npt.NDArray[np.bool_]
    members: tuple[npt.NDArray[np.int64], ...]

    def find(self, words: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
        """Indices of the words that fit, in order, and each one's pattern."""
        found = [
            self._find_in(words[start : start + _CHUNK_WORDS], start) for start in range(0, len(words), _CHUNK_WORDS)
        ]
        if not found:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int16)
        return np.concatenate([index for index, _ in found]), np.concatenate([pattern for _, pattern in found])

    def _find_in(self, words: Words, start: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
        words = np.ascontiguousarray(words)
        groups = self.groups[words.view(np.uint16)[1::2]]
        index = np.flatnonzero(groups)
        index = index[self.lower[groups[index], _folded(words[index])]]
        groups = groups[index]
        patterns = np.full(len(index), -1, dtype=np.int16)
        order = np.argsort(groups, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            candidates = words[index[part]]
            for pattern in self.members[groups[part[0]]] if len(part) else ():
                patterns[part[candidates & self.masks[pattern] == self.values[pattern]]] = pattern
        fits = patterns >= 0
        return index[fits] + start, patterns[fits]


def _folded(words: Words) -> Words:
    """Bits 15 to 10, where most instructions have their number, and bit 4, which tells BC.cond from B.cond."""
    folded: Words = (words >> np.uint32(9)) & np.uint32(0x7E) | (words >> np.uint32(4)) & np.uint32(1)
    return folded


@cache
def patterns() -> Patterns:
    """isa_aarch64.txt; some 30 ms, once a process."""
    lines = [line for line in _TABLE.read_text(encoding="ascii").splitlines() if not line.startswith("#")]
    texts = [line[_BITS].replace(" ", "") for line in lines]
    masks = np.array([int(text.replace("0", "1").replace("x", "0"), 2) for text in texts], dtype=np.uint32)
    values = np.array([int(text.replace("x", "0"), 2) for text in texts], dtype=np.uint32)
    # A set of patterns gets its number through the sum of random numbers, one per pattern.
    labels = np.random.default_rng(0).integers(1, 1 << 63, len(lines), dtype=np.uint64)
    sums = np.zeros(1 << 16, dtype=np.uint64)
    halves = np.arange(1 << 16, dtype=np.uint16)
    for mask, value, label in zip(masks >> 16, values >> 16, labels, strict=True):
        sums[halves & np.uint16(mask) == np.uint16(value)] += label
    distinct, first, groups = np.unique(sums, return_index=True, return_inverse=True)
    assert distinct[0] == 0, "most upper halves fit to no pattern, so that group 0 is none"
    folded = np.arange(1 << 7, dtype=np.uint32)
    spread = (folded & 0x7E) << 9 | (folded & 1) << 4
    fits = spread & masks[:, None] == values[:, None] & np.uint32(0xFC10)
    upper = (first[:, None].astype(np.uint32) << 16) & (masks & 0xFFFF0000) == values & 0xFFFF0000
    members = tuple(np.flatnonzero(row) for row in upper)
    return Patterns(
        features=tuple(line.split()[0] for line in lines),
        masks=masks,
        values=values,
        groups=groups.astype(np.uint16),
        lower=np.array([fits[row].any(axis=0) for row in members]),
        members=members,
    )
