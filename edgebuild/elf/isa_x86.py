"""x86-64: every use of a CPU feature beyond the first x86-64, and what asks for features. iced-x86 decodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import numpy as np
from iced_x86 import Code, CpuidFeature, Decoder, FlowControl, Instruction, Mnemonic

from edgebuild.elf.isa_aarch64 import UNCHARTED, overlap
from edgebuild.elf.layout import Block, Layout, Ranges, merged
from edgebuild.model.elf import IsaUse

# iced's name -> the one in /proc/cpuinfo, where lower case alone does not make it. Source: Linux,
# arch/x86/include/asm/cpufeatures.h. What decodes as NOP on older CPUs (CET, MPX, PREFETCHW) is none.
_RENAMED = {
    "SSE3": "pni", "LZCNT": "abm", "CMPXCHG16B": "cx16", "SHA": "sha_ni", "D3NOW": "3dnow", "D3NOWEXT": "3dnowext",
    "AVX512_IFMA": "avx512ifma", "AVX512_VBMI": "avx512vbmi",
}  # fmt: skip
_SAME = (
    "SSSE3", "SSE4_1", "SSE4_2", "SSE4A", "POPCNT", "AVX", "AVX2", "BMI1", "BMI2", "F16C", "FMA", "MOVBE", "AES",
    "PCLMULQDQ", "VAES", "VPCLMULQDQ", "GFNI", "ADX", "RDRAND", "RDSEED", "FMA4", "XOP", "TBM", "RTM", "FSGSBASE",
    "AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX512ER", "AVX512PF", "AVX512_4FMAPS",
    "AVX512_4VNNIW", "AVX512_BF16", "AVX512_BITALG", "AVX512_FP16", "AVX512_VBMI2", "AVX512_VNNI",
    "AVX512_VPOPCNTDQ", "AVX512_VP2INTERSECT", "AVX_VNNI", "AVX_IFMA", "AVX_NE_CONVERT", "AVX_VNNI_INT8",
    "AVX_VNNI_INT16", "SHA512", "SM3", "SM4", "AMX_TILE", "AMX_INT8", "AMX_BF16", "AMX_FP16", "AMX_COMPLEX",
    "MOVDIRI", "MOVDIR64B", "WAITPKG", "CLWB", "SERIALIZE",
)  # fmt: skip
_ENDS_RUN = (FlowControl.RETURN, FlowControl.UNCONDITIONAL_BRANCH, FlowControl.INDIRECT_BRANCH, FlowControl.EXCEPTION)


def scan_x86(layout: Layout) -> tuple[dict[str, IsaUse], tuple[str, ...]]:
    """Uses by feature, and signs that the CPU is asked (see ElfFacts.dispatch). Raises Damaged."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    asks = False
    ranges, is_uncharted = _code(layout)
    for instruction in _instructions(layout, ranges):
        code = instruction.code
        if features := _features(code):
            for feature in features:
                counts[feature] += 1
                first.setdefault(feature, instruction.ip)
        elif code == Code.CPUID:
            asks = True
    signs = ("CPUID",) * asks + (UNCHARTED,) * (is_uncharted and bool(counts))
    return {name: IsaUse(count=counts[name], where=layout.place_of(first[name])) for name in sorted(counts)}, signs


@cache
def _features(code: int) -> tuple[str, ...]:
    """Of an instruction in one of its forms; empty for what every x86-64 CPU has, or takes for something harmless."""
    instruction = Instruction.create(Code.NOPD)
    instruction.code = cast(Any, code)  # its stubs take the numbers for a type
    if instruction.mnemonic == Mnemonic.TZCNT:
        return ()  # compilers write it for BSF on purpose: older CPUs do that for it
    if instruction.mnemonic in (Mnemonic.LAHF, Mnemonic.SAHF):
        return ("lahf_lm",)
    names = _names()
    return tuple(names[feature] for feature in instruction.cpuid_features() if feature in names)


@cache
def _names() -> dict[int, str]:
    numbers = vars(CpuidFeature)
    return {numbers[name]: name.lower() for name in _SAME} | {numbers[name]: ours for name, ours in _RENAMED.items()}


def _code(layout: Layout) -> tuple[Ranges, bool]:
    """What is code: the known functions and what labels begin; all of it, and True, where that is hardly anything."""
    everything = merged(np.array([(block.address, block.end) for block in layout.blocks], dtype=np.int64))
    sections = layout.code_sections if len(layout.code_sections) else everything
    known = layout.functions
    known = merged(np.concatenate((known, _labelled(layout, known))))
    if 2 * overlap(known, everything) < overlap(sections, everything):
        return sections, True
    return known, False


def _labelled(layout: Layout, known: Ranges) -> Ranges:
    """Straight runs of code behind labels outside the known functions, and where their branches lead to."""
    starts: dict[int, int] = dict(known.tolist())
    found: dict[int, int] = {}
    pending = layout.labels.tolist()
    lower = sorted(starts)
    while pending:
        address = pending.pop()
        place = int(np.searchsorted(lower, address, side="right")) - 1 if lower else -1
        if address in found or (place >= 0 and address < starts[lower[place]]):
            continue
        found[address] = address
        for block in layout.blocks:
            if block.address <= address < block.end:
                end, targets = _run(layout, block, address)
                found[address] = end
                pending += targets
    return merged(np.array(list(found.items()), dtype=np.int64))


def _run(layout: Layout, block: Block, address: int, limit_bytes: int = 1 << 16) -> tuple[int, list[int]]:
    """Where the run ends, and the targets of its branches; nowhere if it runs into what is no instruction."""
    targets = []
    end = min(block.end, address + limit_bytes)
    for instruction in _decoder(layout, block, address, end):
        if instruction.code == Code.INVALID:
            break
        if instruction.flow_control in (FlowControl.CONDITIONAL_BRANCH, FlowControl.UNCONDITIONAL_BRANCH):
            targets.append(instruction.near_branch_target)
        if instruction.flow_control in _ENDS_RUN:
            return instruction.next_ip, targets
    return address, []


def _instructions(layout: Layout, ranges: Ranges) -> Iterator[Instruction]:
    for block in layout.blocks:
        inner = ranges[(ranges[:, 1] > block.address) & (ranges[:, 0] < block.end)]
        for start, end in inner.tolist():
            yield from _decoder(layout, block, max(start, block.address), min(end, block.end))


def _decoder(layout: Layout, block: Block, start: int, end: int) -> Decoder:
    offset = block.offset + start - block.address
    return Decoder(64, bytes(layout.elf.data[offset : offset + end - start]), ip=start)
