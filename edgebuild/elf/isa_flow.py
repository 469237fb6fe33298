"""A64 control flow: which words between the known functions are code, because branches lead there.

Hand-written assembly often has no unwind records, and keeps its tables between its functions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.elf.layout import Addresses, Mask, Ranges, covered, merged

Words = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.int64]


def branches(words: Words) -> tuple[Indices, Indices]:
    """Index of every direct branch, and the index of the word it leads to (which may lie outside)."""
    found = []
    # B, BL: imm26. B.cond, CBZ, CBNZ: imm19 from bit 5. TBZ, TBNZ: imm14 from bit 5. Source: Arm ARM, C4.1.
    for mask, value, lowest, bits in (
        (0x7C000000, 0x14000000, 0, 26),
        (0xFF000000, 0x54000000, 5, 19),
        (0x7E000000, 0x34000000, 5, 19),
        (0x7E000000, 0x36000000, 5, 14),
    ):
        source = np.flatnonzero(words & np.uint32(mask) == np.uint32(value))
        distance = (words[source] << np.uint32(32 - bits - lowest)).view(np.int32) >> (32 - bits)
        found.append(np.column_stack((source, source + distance)))
    pairs = np.concatenate(found)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return pairs[:, 0], pairs[:, 1]


def ends_run(words: Words) -> Mask:
    """Words behind which nothing runs on: B, BR, RET and their kin, UDF, BRK."""
    indirect = (words & np.uint32(0xFE000000) == 0xD6000000) & (words & np.uint32(0x00600000) != 0x00200000)
    ends: Mask = indirect | (words & np.uint32(0xFC000000) == 0x14000000)
    ends |= (words & np.uint32(0xFFFF0000) == 0) | (words & np.uint32(0xFFE0001F) == 0xD4200000)
    return ends


def unallocated(words: Words) -> Mask:
    """Words of the encoding's empty quarters, except UDF: in data they are one of six. Source: Arm ARM, C4.1."""
    quarter = words >> np.uint32(25) & np.uint32(15)
    empty: Mask = (quarter == 1) | (quarter == 3)
    empty |= (quarter == 0) & (words < 0x80000000) & (words >= 0x10000)
    return empty


def reached(address: int, words: Words, known: Ranges, roots: Addresses) -> Ranges:
    """Runs of code outside the known functions that these, or the roots, branch to; in turn those that they lead to.

    Jump tables are not followed, so code may be missed. A run with a word that is no instruction is data.
    """
    is_known = covered(address, len(words), 4, known)
    sources, targets = branches(words)
    valid = (targets >= 0) & (targets < len(words))
    sources, targets = sources[valid], targets[valid]
    from_gap = ~is_known[sources]
    to_gap = ~is_known[targets]
    pending = np.unique(targets[~from_gap & to_gap]).tolist()
    rooted = (roots - address)[(roots >= address) & (roots < address + 4 * len(words)) & (roots % 4 == 0)] // 4
    pending += [index for index in rooted.tolist() if not is_known[index]]
    sources, targets = sources[from_gap & to_gap], targets[from_gap & to_gap]
    is_data = unallocated(words)
    stops = np.append(np.flatnonzero(ends_run(words) | is_known | is_data), len(words))
    runs: dict[int, int] = {}  # end -> lowest start, both indices: every run that stops there is part of the longest
    while pending:
        start = pending.pop()
        stop = int(stops[np.searchsorted(stops, start)])
        if stop < len(words) and is_data[stop] and not is_known[stop]:
            continue
        end = stop if stop == len(words) or is_known[stop] else stop + 1
        seen = runs.get(end, end)
        if start >= seen:
            continue
        runs[end] = start
        first, last = np.searchsorted(sources, (start, seen))
        pending += targets[first:last].tolist()
    spans = np.array([(address + 4 * start, address + 4 * end) for end, start in runs.items()], dtype=np.int64)
    return merged(spans)
