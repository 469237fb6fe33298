"""Uses of a CPU feature that are harmless: behind a test that the compiler wrote, or asked for by other means.

Outline atomics (GCC -moutline-atomics, the default since GCC 10, and clang's) are calls of helpers that look as
follows, with or without BTI in front. `have_lse` is set by a constructor that asks the kernel, and by nothing else.

    adrp x16, have_lse ; ldrb w16, [x16, :lo12:have_lse] ; cbz w16, 8f ; ldaddal ... ; ret

zig's have a constant for a flag: mov w16, wzr ; cbz w16, 8f ; ldaddal ... ; ret.
Sources: gcc, libgcc/config/aarch64/lse.S and lse-init.c; LLVM, compiler-rt/lib/builtins/aarch64/lse.S; zig,
lib/compiler_rt/aarch64_outline_atomics.zig.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.elf.isa_flow import Indices, Words, branches
from edgebuild.elf.layout import STT_GNU_IFUNC, Layout

_R_AARCH64_JUMP_SLOT, _SHN_UNDEF = 1026, 0
# Questions about the CPU: AT_HWCAP, AT_HWCAP2 to 4, AT_PLATFORM, AT_BASE_PLATFORM. Source: linux/auxvec.h.
_ABOUT_CPU = (15, 16, 24, 26, 29, 30)
_AT_HWCAP = 16
_MOV_W16_WZR = 0x2A1F03F0
_CNTD_X0, _MRS_TPIDR2 = 0x04E0E3E0, 0xD53BD0A0
_CHKFEAT_NEAR, _ZA_SAVE, _ALONE = 16, 24, 64  # in words
_BEFORE_CALL, _AFTER_CALL = 12, 16  # words looked at for the argument, and for what is done with the answer


def guarded_atomics(address: int, words: Words, hits: Indices) -> tuple[npt.NDArray[np.bool_], frozenset[int]]:
    """Which hits are those of an outline helper, and the addresses of the flags they test.

    hits: indices of LSE instructions.
    """
    inner = (hits >= 3) & (hits + 1 < len(words))
    place = np.where(inner, hits, 3)
    if len(words) < 5:
        return np.zeros(len(hits), dtype=np.bool_), frozenset()
    adrp, load, test, after = (words[place + step] for step in (-3, -2, -1, 1))
    has_flag = inner & (adrp & 0x9F00001F == 0x90000010) & (load & 0xFFC003FF == 0x39400210)
    tested = inner & (test & 0xFF00001F == 0x34000010) & (after == 0xD65F03C0)
    has_flag &= tested
    flags = {
        _page(address + 4 * int(index - 3), int(words[index - 3])) + (int(words[index - 2]) >> 10 & 0xFFF)
        for index in hits[has_flag]
    }
    return has_flag | (tested & (load == _MOV_W16_WZR)), frozenset(flags)


def guarded(feature: str, words: Words, hits: Indices) -> npt.NDArray[np.bool_]:
    """Which hits of any other feature run only where it is there.

    The unwinders that are part of many programs look at frames of SVE, SME and MTE code, and only where such a frame
    is: sve: CNTD x0 alone, for the vector length. sme: a function that saves ZA, and that begins with TPIDR2_EL0. mte:
    a loop of STG xN, [xN] over a tagged frame. Sources: gcc, libgcc/config/aarch64/aarch64-unwind.h; LLVM, libunwind,
    DwarfInstructions.hpp and UnwindRegistersSave.S. gcs: behind CHKFEAT, which others take for a NOP.
    """
    is_guarded = np.zeros(len(hits), dtype=np.bool_)
    if feature == "sve":
        return _alone(hits, words[hits] == _CNTD_X0)
    if feature == "mte":
        own = words[hits]
        return _alone(hits, (own & 0xFFFFFC00 == 0xD9200800) & (own >> 5 & 31 == own & 31))
    if feature == "sme":
        for number, hit in enumerate(hits.tolist()):
            is_guarded[number] = (words[max(0, hit - _ZA_SAVE) : hit + 1] & 0xFFFFFFE0 == _MRS_TPIDR2).any()
    elif feature == "gcs":
        for number, hit in enumerate(hits.tolist()):
            is_guarded[number] = (words[max(0, hit - _CHKFEAT_NEAR) : hit] == 0xD503251F).any()
    return is_guarded


def _alone(hits: Indices, candidates: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Candidates with no other instruction of the feature near them: code that computes with it has many."""
    near = np.zeros(len(hits), dtype=np.bool_)
    others = hits[~candidates]
    if len(others):
        place = np.searchsorted(others, hits)
        before = np.abs(hits - others[np.maximum(place - 1, 0)])
        behind = np.abs(hits - others[np.minimum(place, len(others) - 1)])
        near = np.minimum(before, behind) < _ALONE
    return candidates & ~near


def asks_the_kernel(
    layout: Layout, blocks: list[tuple[int, Words]], flags: frozenset[int], names: tuple[str, ...]
) -> str:
    """Name of the function by which the file asks for the CPU's features; "" if it asks for none.

    Every call of getauxval is looked at: one that asks something else (the page size) is no sign, and one whose answer
    goes into a flag of outline atomics alone is none either. A call that cannot be made out counts, and so does a
    pointer to the function.
    """
    for table in layout.tables:
        for index in table.indices_of(*names):
            entry = table.entries[index]
            if entry["section"] == _SHN_UNDEF:
                functions, is_pointed_to = _stubs(layout, blocks, index) if table is layout.dynsym else ([], False)
            elif entry["info"] & 15 == STT_GNU_IFUNC:
                continue
            else:
                functions, is_pointed_to = [int(entry["value"])], False
            if is_pointed_to or any(_asks(address, words, functions, flags) for address, words in blocks):
                return table.name(index)
    return ""


def _stubs(layout: Layout, blocks: list[tuple[int, Words]], symbol: int) -> tuple[list[int], bool]:
    """Addresses of the PLT's entries for a symbol, and whether the file holds a pointer to it elsewhere."""
    ours = layout.relocations[layout.relocations["symbol"] == symbol]
    is_slot = ours["type"] == _R_AARCH64_JUMP_SLOT
    slots = set(ours["offset"][is_slot].tolist())
    stubs = []
    for address, words in blocks:
        is_start = (words[:-1] & 0x9F00001F == 0x90000010) & (words[1:] & 0xFFC003FF == 0xF9400211)
        for index in np.flatnonzero(is_start).tolist():
            slot = _page(address + 4 * index, int(words[index])) + (int(words[index + 1]) >> 10 & 0xFFF) * 8
            if slot in slots:
                stubs += [address + 4 * index, address + 4 * index - 4]  # the second where BTI comes first
    return stubs, not is_slot.all() or (len(ours) > 0 and not stubs)


def _asks(address: int, words: Words, functions: list[int], flags: frozenset[int]) -> bool:
    sources, targets = branches(words)
    is_call = np.isin(targets, [(function - address) // 4 for function in functions])
    return any(_is_question(address, words, index, flags) for index in sources[is_call].tolist())


def _is_question(address: int, words: Words, call: int, flags: frozenset[int]) -> bool:
    argument = _argument(words, call)
    if argument is not None and argument not in _ABOUT_CPU:
        return False
    return argument != _AT_HWCAP or not _only_sets_flag(address, words, call, flags)


def _argument(words: Words, call: int) -> int | None:
    """What MOVZ has put into w0 or x0 since the last branch; None for anything else."""
    for index in range(call - 1, max(call - _BEFORE_CALL, 0) - 1, -1):
        word = int(words[index])
        if word & 0x7FE0001F == 0x52800000:
            return word >> 5 & 0xFFFF
        if _is_branch(word) or word & 0x1F == 0:  # whatever else has x0 as its result, or may have
            return None
    return None


def _only_sets_flag(address: int, words: Words, call: int, flags: frozenset[int]) -> bool:
    """Up to the end of the function the only store is one of a byte into a flag, and nothing is called."""
    pages: dict[int, int] = {}
    stored = False
    for index in range(call + 1, min(call + _AFTER_CALL, len(words))):
        word = int(words[index])
        if word & 0xFFFFFC1F == 0xD65F0000:  # RET
            return stored
        if word & 0x9F000000 == 0x90000000:  # ADRP
            pages[word & 31] = _page(address + 4 * index, word)
        elif word & 0xFFC00000 == 0x39000000:  # STRB
            if pages.get(word >> 5 & 31, -1) + (word >> 10 & 0xFFF) not in flags:
                return False
            stored = True
        elif _is_branch(word) or word & 0x3E400000 == 0x38000000 or word & 0x3A400000 == 0x28000000:  # STR, STP
            return False
    return False


def _is_branch(word: int) -> bool:
    return word & 0x1C000000 == 0x14000000


def _page(address: int, adrp: int) -> int:
    """What ADRP at an address computes."""
    distance = (adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3
    return (address & ~0xFFF) + ((distance ^ 1 << 20) - (1 << 20) << 12)
