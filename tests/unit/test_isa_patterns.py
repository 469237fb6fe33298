"""Every instruction that not every CPU has is found, under the kernel's name for it, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebuild.elf.isa_patterns import patterns

CASES = Path(__file__).resolve().parents[1] / "cases" / "isa_aarch64.txt"


def cases() -> list[tuple[str, int, str]]:
    lines = [line.split(None, 2) for line in CASES.read_text().splitlines() if not line.startswith("#")]
    return [(feature, int(word, 16), text) for feature, word, text in lines]


def feature_of(word: int) -> str:
    index, pattern = patterns().find(np.array([word], dtype=np.uint32))
    return patterns().features[pattern[0]] if len(index) else "-"


@pytest.mark.parametrize(("feature", "word", "text"), cases(), ids=[text for _, _, text in cases()])
def test_an_assemblers_word_has_the_feature_that_its_source_asked_for(feature: str, word: int, text: str) -> None:
    assert feature_of(word) == feature, text


def test_the_three_steps_find_what_comparing_with_every_pattern_finds() -> None:
    table = patterns()
    words = np.random.default_rng(4).integers(0, 1 << 32, 60_000, dtype=np.uint32)
    # Words near the patterns, too: with every other bit at random, and with one of the fixed ones wrong.
    free = np.resize(words, len(table.values))
    near = table.values | (free & ~table.masks)
    lowest_fixed = table.masks & (~table.masks + np.uint32(1))
    words = np.concatenate((words, near, near ^ lowest_fixed))
    expected = np.zeros(len(words), dtype=bool)
    for mask, value in zip(table.masks, table.values, strict=True):
        expected |= words & mask == value
    index, found = table.find(words)
    assert index.tolist() == np.flatnonzero(expected).tolist()
    assert ((words[index] & table.masks[found]) == table.values[found]).all()
    assert expected[60_000 : 60_000 + len(near)].all()


def test_features_are_written_as_the_kernel_writes_them() -> None:
    """Source: Linux, Documentation/arch/arm64/elf_hwcaps.rst; arch/arm64/kernel/cpuinfo.c."""
    known = (
        "aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp "
        "sha512 sve asimdfhm dit ilrcpc flagm ssbs sb paca pacg dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 "
        "flagm2 frint svei8mm svef32mm svef64mm svebf16 i8mm bf16 rng mte ecv sme sme2 wfxt sve2p1 cssc mops hbc "
        "sveb16b16 lrcpc3 lse128 fpmr lut faminmax f8cvt f8fma f8dp4 f8dp2 gcs ls64"
    )
    assert set(patterns().features) == set(known.split(" "))
