"""A64: every use of a CPU feature in code, and what asks for features."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgebuild.elf.isa_flow import Indices, Words, reached, unallocated
from edgebuild.elf.isa_guards import asks_the_kernel, guarded, guarded_atomics
from edgebuild.elf.isa_patterns import patterns
from edgebuild.elf.layout import Addresses, Block, Layout, Ranges, covered, inside, mapping_symbols, merged
from edgebuild.model.elf import IsaUse

_ASKING = ("getauxval", "__getauxval")
UNCHARTED = "code that nothing names"  # a sign, too: it cannot be told from data
_STEP = 4
_DATA_SHARE = 50  # in data one word of six is in an empty quarter, in code none
_READS_ID = "cpuid"  # Linux emulates a read of the ID registers, and calls the feature so


@dataclass
class _Found:
    """Uses of one feature. addresses: the first unguarded and the first guarded one."""

    count: int = 0
    guarded: int = 0
    address: int | None = None
    guarded_address: int | None = None


@dataclass
class _Scan:
    layout: Layout
    found: dict[str, _Found] = field(default_factory=lambda: defaultdict(_Found))
    flags: set[int] = field(default_factory=set)
    signs: list[str] = field(default_factory=list)

    def add(self, address: int, words: Words) -> None:
        hits, pattern = patterns().find(words)
        is_code = self._is_code(address, words, hits)
        hits, pattern = hits[is_code], pattern[is_code]
        names = np.array(patterns().features)[pattern]
        for feature in np.unique(names).tolist():
            self._count(feature, address, words, hits[names == feature])

    def _count(self, feature: str, address: int, words: Words, hits: Indices) -> None:
        found = self.found[feature]
        if feature == "atomics":
            is_guarded, flags = guarded_atomics(address, words, hits)
            self.flags |= flags
        else:
            is_guarded = guarded(feature, words, hits)
        found.count += int((~is_guarded).sum())
        found.guarded += int(is_guarded.sum())
        found.address = _first(found.address, address + _STEP * hits[~is_guarded])
        found.guarded_address = _first(found.guarded_address, address + _STEP * hits[is_guarded])

    def _is_code(self, address: int, words: Words, hits: Indices) -> npt.NDArray[np.bool_]:
        """Which hits are instructions for sure; all of them where nothing at all is known about the file's code."""
        layout, places = self.layout, address + _STEP * hits
        if (mapped := mapped_code(layout)) is not None:
            return inside(places, mapped)
        known = layout.functions
        is_code = inside(places, known)
        if is_code.all():
            return is_code
        # Only here, where it matters: to follow branches takes longer than to look at instructions.
        roots = np.concatenate((layout.labels, pointers_into_code(layout)))
        known = merged(np.concatenate((known, reached(address, words, known, roots))))
        is_code = inside(places, known)
        in_section = inside(places, layout.code_sections) if len(layout.code_sections) else np.ones_like(is_code)
        if (in_section & ~is_code).any() and self._is_uncharted(address, words, known):
            self.signs.append(UNCHARTED)
            return in_section
        return is_code

    def _is_uncharted(self, address: int, words: Words, known: Ranges) -> bool:
        """Whether most of the code is unknown: that is, most of it, and the rest is not data by its looks."""
        count, sections = len(words), self.layout.code_sections
        in_section = covered(address, count, _STEP, sections) if len(sections) else np.ones(count, dtype=np.bool_)
        unknown = in_section & ~covered(address, count, _STEP, known)
        unknown_count = int(unknown.sum())
        if 2 * unknown_count < int(in_section.sum()):
            return False
        return int(unallocated(words[unknown]).sum()) * _DATA_SHARE < unknown_count


def scan_aarch64(layout: Layout) -> tuple[dict[str, IsaUse], tuple[str, ...]]:
    """Uses by feature, and signs that the CPU is asked (see ElfFacts.dispatch). Raises Damaged."""
    scan = _Scan(layout)
    blocks = [words_of(layout, block) for block in layout.blocks]
    for address, words in blocks:
        scan.add(address, words)
    found = dict(scan.found)
    if found.pop(_READS_ID, None):
        scan.signs.append("MRS of an ID register")
    if name := asks_the_kernel(layout, blocks, frozenset(scan.flags), _ASKING):
        scan.signs.append(name)
    return {feature: _use(layout, each) for feature, each in sorted(found.items())}, tuple(scan.signs)


def words_of(layout: Layout, block: Block) -> tuple[int, Words]:
    """Address of the first whole instruction, and all of them."""
    skipped = -block.address % _STEP
    count = max(0, block.size_bytes - skipped) // _STEP
    body = layout.elf.data[block.offset + skipped : block.offset + skipped + count * _STEP]
    return block.address + skipped, np.frombuffer(body, dtype="<u4")


def mapped_code(layout: Layout) -> Ranges | None:
    """What mapping symbols ($x, $d) declare to be code; None where there are none."""
    if layout.symtab is None or not len(layout.code_sections):
        return None
    entries = layout.symtab.entries
    is_code, is_data = (mapping_symbols(layout.symtab, kind) for kind in (b"x", b"d"))
    values = entries["value"].astype(np.int64)
    in_code = inside(values, layout.code_sections)
    if not (is_code & in_code).any():
        return None
    # What a section has before its first symbol, as linkers' own stubs do, is code.
    marks = [(values[is_code & in_code], 1), (values[is_data & in_code], 0), (layout.code_sections[:, 0], 1)]
    starts = np.concatenate([where for where, _ in marks])
    kinds = np.concatenate([np.full(len(where), kind) for where, kind in marks])
    last_of_place = np.lexsort((np.arange(len(starts))[::-1], starts))  # a symbol at a section's start counts
    starts, kinds = starts[last_of_place], kinds[last_of_place]
    ends = np.append(starts[1:], layout.code_sections[-1, 1])
    section = np.searchsorted(layout.code_sections[:, 0], starts, side="right") - 1
    ends = np.minimum(ends, layout.code_sections[section, 1])
    return merged(np.column_stack((starts, ends))[kinds == 1])


def pointers_into_code(layout: Layout) -> Addresses:
    """What relocations make pointers to, if it lies in a section of code: tables of functions, initialisers."""
    addends = layout.relocations["addend"]
    return np.unique(addends[inside(addends, layout.code_sections)])


def overlap(ranges: Ranges, others: Ranges) -> int:
    """Bytes that two lists of merged ranges have in common."""

    def upto(some: Ranges, places: Addresses) -> Addresses:
        sizes = np.concatenate(([0], np.cumsum(some[:, 1] - some[:, 0])))
        index = np.searchsorted(some[:, 0], places, side="right")
        beyond = np.where(index > 0, np.maximum(0, some[np.maximum(index - 1, 0), 1] - places), 0)
        return sizes[index] - beyond

    if not len(ranges) or not len(others):
        return 0
    return int((upto(ranges, others[:, 1]) - upto(ranges, others[:, 0])).sum())


def _first(before: int | None, addresses: Addresses) -> int | None:
    candidates = [int(addresses[0])] if len(addresses) else []
    return min([*candidates, before] if before is not None else candidates, default=None)


def _use(layout: Layout, found: _Found) -> IsaUse:
    address = found.address if found.address is not None else found.guarded_address
    assert address is not None
    return IsaUse(count=found.count, where=layout.place_of(address), guarded=found.guarded)
