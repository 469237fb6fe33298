"""Writes edgebuild/elf/isa_aarch64.txt anew from LLVM's description of the A64 instruction set.

    llvm-tblgen --dump-json -I llvm/include -I llvm/lib/Target/AArch64 AArch64.td -o aarch64.json
    python -m tests.bench.isa_table aarch64.json > edgebuild/elf/isa_aarch64.txt

Needed when an architecture version brings instructions that Linux names a feature for. LLVM 19.1.7 made today's.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# No name in /proc/cpuinfo, or not for programs: exception levels 1 to 3, tracing, drafts.
_UNNAMED = (
    "THE", "D128", "LOR", "BRBE", "EL3", "XS", "ITE", "TRACEV8_4", "TME", "PAuthLR", "CPA",
)  # fmt: skip
# LLVM's predicate -> the name in /proc/cpuinfo; the first that an instruction has decides. What SME brings beyond its
# two versions (smef64f64, ...) counts as the version.
_PREDICATES = {
    "SMEF8F32": "sme2", "SMEF8F16": "sme2", "SMEF16F16orSMEF8F16": "sme2", "SME_LUTv2": "sme2", "SME2": "sme2",
    "SME2p1": "sme2", "SME2andIsNonStreamingSafe": "sme2", "SMEI16I64": "sme", "SMEF64F64": "sme", "SME": "sme",
    "SMEandIsNonStreamingSafe": "sme", "SSVE_FP8FMA": "f8fma", "SSVE_FP8DOT2": "f8dp2", "SSVE_FP8DOT4": "f8dp4",
    "FP8FMA": "f8fma", "FP8DOT2": "f8dp2", "FP8DOT4": "f8dp4", "FP8": "f8cvt", "FAMINMAX": "faminmax", "LUT": "lut",
    "B16B16": "sveb16b16", "SVE2p1_or_HasSME2": "sve2p1", "SVE2p1_or_HasSME2p1": "sve2p1",
    "SVE2p1_or_HasSME": "sve2p1", "SVE2p1": "sve2p1", "SVE2BitPerm": "svebitperm", "SVE2SHA3": "svesha3",
    "SVE2SM4": "svesm4", "SVE2AES": "sveaes", "MatMulFP32": "svef32mm", "MatMulFP64": "svef64mm", "MOPS": "mops",
    "LSE128": "lse128", "LSE": "atomics", "DotProd": "asimddp", "RDM": "asimdrdm", "FRInt3264": "frint",
    "FP16FML": "asimdfhm", "RCPC_IMMO": "ilrcpc", "RCPC3": "lrcpc3", "RCPC": "lrcpc", "CSSC": "cssc", "MTE": "mte",
    "MatMulInt8": "i8mm", "BF16": "bf16", "GCS": "gcs", "CRC": "crc32", "ComplxNum": "fcma", "FlagM": "flagm",
    "AltNZCV": "flagm2", "LS64": "ls64", "WFxT": "wfxt", "HBC": "hbc", "JS": "jscvt", "SB": "sb", "PAuth": "paca",
    "AES": "aes", "SHA2": "sha2", "SHA3": "sha3", "SM4": "sm4", "SVE2orSME": "sve2", "SVE2orSME2": "sve2",
    "SVE2": "sve2", "SVEorSME": "sve", "SVE": "sve", "FullFP16": "fphp",
}  # fmt: skip
# Linux tells apart what LLVM has one predicate for: (feature, start of the instruction's name) -> feature.
_FINER = {
    ("aes", "PMULL"): "pmull", ("sveaes", "PMULL"): "svepmull", ("sha2", "SHA1"): "sha1", ("sha3", "SHA512"): "sha512",
    ("sm4", "SM3"): "sm3", ("paca", "PACGA"): "pacg",
}  # fmt: skip
# What LLVM holds for system registers and operations rather than for instructions. Source: Arm ARM, DDI 0487, C5.
_SYSTEM = {
    "11010101 00001011 01111100 001xxxxx": ("dcpop", "DC CVAP"),
    "11010101 00001011 01111101 001xxxxx": ("dcpodp", "DC CVADP"),
    "11010101 00001011 01110100 011xxxxx": ("mte", "DC GVA"),
    "11010101 00001011 01110100 100xxxxx": ("mte", "DC GZVA"),
    "11010101 00x11011 01000010 111xxxxx": ("mte", "MRS, MSR TCO"),
    "11010101 00000011 0100xxxx 10011111": ("mte", "MSR TCO, #imm"),
    "11010101 00x11011 01000010 101xxxxx": ("dit", "MRS, MSR DIT"),
    "11010101 00000011 0100xxxx 01011111": ("dit", "MSR DIT, #imm"),
    "11010101 00x11011 01000010 110xxxxx": ("ssbs", "MRS, MSR SSBS"),
    "11010101 00000011 0100xxxx 00111111": ("ssbs", "MSR SSBS, #imm"),
    "11010101 00111011 00100100 00xxxxxx": ("rng", "MRS RNDR, RNDRRS"),
    "11010101 00111011 11100000 101xxxxx": ("ecv", "MRS CNTPCTSS_EL0"),
    "11010101 00111011 11100000 110xxxxx": ("ecv", "MRS CNTVCTSS_EL0"),
    "11010101 00x11011 01000100 010xxxxx": ("fpmr", "MRS, MSR FPMR"),
    "11010101 00x11011 01000010 010xxxxx": ("sme", "MRS, MSR SVCR"),
    "11010101 00000011 0100xxxx 01111111": ("sme", "MSR SVCR, #imm: SMSTART, SMSTOP"),
    "11010101 00x11011 11010000 101xxxxx": ("sme", "MRS, MSR TPIDR2_EL0"),
    "11010101 00111000 00000000 000xxxxx": ("cpuid", "MRS MIDR_EL1"),
    "11010101 00111000 000001xx xxxxxxxx": ("cpuid", "MRS ID_AA64PFR0_EL1 and all of ID_AA64*"),
}
# Pairs and eights of registers start with an even one; LLVM knows that as a class of registers.
_EVEN = {"CASP": 1 << 16 | 1, "LD64B": 1, "ST64B": 1}
_HEADER = """\
# A64 instructions that not every CPU has: the name of the feature in /proc/cpuinfo, the bits (x: any), and some of
# the instructions. Every bit that has to be so is given, so that no unallocated word is taken for an instruction.
# Written by tests/bench/isa_table.py from LLVM's AArch64 instruction tables (Apache-2.0 WITH LLVM-exception).
"""


class Pattern(NamedTuple):
    """value: the bits of an instruction where mask has ones, zero elsewhere."""

    mask: int
    value: int

    def covers(self, other: Pattern) -> bool:
        return self.mask & other.mask == self.mask and other.value & self.mask == self.value


def feature_of(name: str, predicates: set[str]) -> str:
    """ "" for what every CPU has and for what Linux has no name for."""
    if predicates & set(_UNNAMED):
        return ""
    feature = next((feature for predicate, feature in _PREDICATES.items() if predicate in predicates), "")
    if {"SVE", "SVEorSME"} & predicates and feature in ("i8mm", "bf16"):
        return f"sve{feature}"
    if feature == "fphp" and {"NEON", "NEONandIsStreamingSafe"} & predicates:
        return "asimdhp"
    return next(
        (finer for (wide, start), finer in _FINER.items() if wide == feature and name.startswith(start)), feature
    )


def instructions(document: dict[str, Any]) -> Iterator[tuple[str, str, Pattern]]:
    """(feature, LLVM's name, bits)."""
    for name in document["!instanceof"]["Instruction"]:
        record = document[name]
        bits = record.get("Inst")
        if record["isPseudo"] or record["isCodeGenOnly"] or record["Namespace"] != "AArch64" or not bits:
            continue
        predicates = {each["def"].removeprefix("Has") for each in record["Predicates"]}
        mask = sum(1 << place for place, bit in enumerate(bits) if bit in (0, 1))
        value = sum(1 << place for place, bit in enumerate(bits) if bit == 1)
        mask |= next((bits for start, bits in _EVEN.items() if name.startswith(start)), 0)
        if feature := feature_of(name, predicates):
            yield feature, name, Pattern(mask, value)


def merge(patterns: Iterable[Pattern]) -> list[Pattern]:
    """The same set of words in few patterns: two that differ in one bit become one (Quine and McCluskey)."""
    originals, primes = set(patterns), set(patterns)
    while True:
        merged, used = set(), set()
        for pattern in primes:
            for bit in (1 << place for place in range(32) if pattern.mask >> place & 1):
                other = Pattern(pattern.mask, pattern.value ^ bit)
                if other in primes:
                    merged.add(Pattern(pattern.mask & ~bit, pattern.value & ~bit))
                    used |= {pattern, other}
        if not merged:
            break
        primes = (primes - used) | merged
    chosen: list[Pattern] = []
    left = originals
    order = sorted(primes)
    while left:
        best = max(order, key=lambda prime: sum(map(prime.covers, left)))
        chosen.append(best)
        left = {each for each in left if not best.covers(each)}
    return sorted(chosen, key=lambda pattern: pattern.value)


def render(pattern: Pattern) -> str:
    bits = "".join(
        str(pattern.value >> place & 1) if pattern.mask >> place & 1 else "x" for place in reversed(range(32))
    )
    return " ".join(bits[start : start + 8] for start in range(0, 32, 8))


def main(argv: list[str]) -> None:
    names: dict[str, dict[Pattern, str]] = defaultdict(dict)
    for feature, name, pattern in instructions(json.loads(Path(argv[0]).read_text())):
        names[feature].setdefault(pattern, name)
    lines = []
    for feature, by_pattern in names.items():
        for pattern in merge(by_pattern):
            covered = sorted(name for each, name in by_pattern.items() if pattern.covers(each))
            more = f" and {len(covered) - 2} more" if len(covered) > 2 else ""
            lines.append(f"{feature:<10}  {render(pattern)}  {', '.join(covered[:2])}{more}")
    lines += [f"{feature:<10}  {bits}  {name}" for bits, (feature, name) in _SYSTEM.items()]
    sys.stdout.write(_HEADER + "\n".join(sorted(lines, key=lambda line: line.split()[0])) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
