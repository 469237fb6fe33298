"""How fast instructions are looked at, and whether another disassembler agrees.

    python -m tests.bench.isa_bench FOLDER...            CPU seconds and MiB/s over all 64-bit Arm files below
    python -m tests.bench.isa_bench --agree FILE...      word by word against aarch64-linux-gnu-objdump
    python -m tests.bench.isa_bench --stripped FOLDER... code told from data without symbols, against mapping symbols

Agreement is about single words, data included, so that tables in the code put unallocated words to the test.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgebuild.elf import is_elf, read_elf
from edgebuild.elf.format import ElfFile, map_file
from edgebuild.elf.isa import scan_isa
from edgebuild.elf.isa_aarch64 import _Scan, mapped_code, words_of
from edgebuild.elf.isa_patterns import patterns
from edgebuild.elf.layout import Layout

_EM_AARCH64 = 183
_V, _H = r"\bv\d+\.", r"\bh\d+\b|\bv\d+\.(?:[248]h|h\[)"
# What GNU's mnemonics and operands say of the feature; written from the Arm ARM's index, not from our table.
_MNEMONICS = (
    (
        "sve family",
        r"\S+\s.*(?:\bz\d+\b|\bp\d+(?:\b|\.)|\bza)|cnt[bhwd]\b|rdvl|addvl|addpl|setffr|ctermeq|ctermne"
        r"|(?:s|u)?q?(?:inc|dec)[bhwd]\b",
    ),
    ("atomics", r"(?:cas|casp|swp|(?:ld|st)(?:add|clr|eor|set|smax|smin|umax|umin))(?:a|l|al)?[bh]?\s"),
    ("crc32", r"crc32"),
    ("pmull", r"pmull2?\s+v\d+\.1q"),
    ("aes", rf"aes(?:e|d|mc|imc)\s+{_V}"),
    ("sha1", r"sha1"), ("sha2", r"sha256"), ("sha512", r"sha512"), ("sha3", rf"(?:eor3|bcax|rax1|xar)\s+{_V}"),
    ("sm3", r"sm3"), ("sm4", rf"sm4e(?:key)?\s+{_V}"),
    ("i8mm", rf"(?:usdot|sudot|smmla|ummla|usmmla)\s+{_V}"),
    ("asimddp", rf"[us]dot\s+{_V}"),
    ("bf16", rf"bf\S+\s+(?:{_V}|h\d|.*v\d)"),
    ("asimdfhm", rf"fml[as]l2?\s+{_V}"),
    ("fcma", rf"fc(?:mla|add)\s+{_V}"),
    ("asimdrdm", r"sqrdml[as]h"),
    ("jscvt", r"fjcvtzs"), ("lrcpc", r"ldapr[bh]?\s+\w+, \[\w+\]$"), ("frint", r"frint(?:32|64)"),
    ("rng", r"mrs\s+\w+, rndr"), ("sb", r"sb$"),
    ("half precision", rf"(?!fcvt[nl]?\s|fcvt[nl]2|fcvtxn)(?:f\w+|[us]cvtf)\s.*(?:{_H})"),
)  # fmt: skip
_FAMILY = {"fphp": "half precision", "asimdhp": "half precision"}


def arm_files(places: list[str]) -> Iterator[Path]:
    for place in map(Path, places):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if is_elf(path) and ElfFile.open(map_file(path)).machine == _EM_AARCH64:
                yield path


def measure(places: list[str]) -> None:
    patterns()
    files, size_bytes, spent_s, with_uses = 0, 0, 0.0, 0
    for path in arm_files(places):
        facts = read_elf(path)
        started_s = time.process_time()
        uses, _ = scan_isa(path, facts)
        spent_s += time.process_time() - started_s
        files, size_bytes, with_uses = files + 1, size_bytes + path.stat().st_size, with_uses + bool(uses)
    mib = size_bytes / 2**20
    print(f"{files} files, {mib:.0f} MiB: {spent_s:.2f} s of CPU, {mib / spent_s:.0f} MiB/s; {with_uses} with uses")


def family(feature: str) -> str:
    return "sve family" if feature.startswith(("sve", "sme", "svei8")) else _FAMILY.get(feature, feature)


def mnemonic_family(text: str) -> str:
    return next((name for name, pattern in _MNEMONICS if re.match(pattern, text)), "")


def agree(places: list[str]) -> None:
    both: Counter[str] = Counter()
    ours_only: Counter[str] = Counter()
    theirs_only: Counter[str] = Counter()
    examples: dict[tuple[str, str], str] = {}
    known = {name for name, _ in _MNEMONICS}
    words_seen = 0
    for path in arm_files(places):
        ours: dict[int, str] = {}
        layout = Layout.of(ElfFile.open(map_file(path)))
        for address, words in (words_of(layout, block) for block in layout.blocks):
            for index, number in zip(*patterns().find(words), strict=True):
                ours[address + 4 * int(index)] = family(patterns().features[number])
        command = ["aarch64-linux-gnu-objdump", "-d", "-z", "--no-show-raw-insn", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as objdump:
            assert objdump.stdout
            for line in objdump.stdout:
                if not (found := re.match(r"\s*([0-9a-f]+):\t(.*?)(?:\s+//.*)?$", line)):
                    continue
                words_seen += 1
                mine, theirs = ours.get(int(found[1], 16), ""), mnemonic_family(found[2])
                if mine and mine == theirs:
                    both[mine] += 1
                    continue
                if mine in known:
                    ours_only[mine] += 1
                    examples.setdefault(("ours", mine), found[2])
                if theirs:
                    theirs_only[theirs] += 1
                    examples.setdefault(("theirs", theirs), found[2])
    print(f"{words_seen} words\n{'feature':<15}{'both':>9}{'ours only':>11}{'theirs only':>13}")
    for name, _ in _MNEMONICS:
        if both[name] or ours_only[name] or theirs_only[name]:
            shown = [examples[key] for key in (("ours", name), ("theirs", name)) if key in examples]
            print(f"{name:<15}{both[name]:>9}{ours_only[name]:>11}{theirs_only[name]:>13}  {' | '.join(shown)}")


def stripped(places: list[str]) -> None:
    """For files with mapping symbols: which hits a scan takes for code that may not look at the symbol table."""
    told: Counter[tuple[bool, bool]] = Counter()
    files = 0
    for path in arm_files(places):
        layout = Layout.of(ElfFile.open(map_file(path)))
        if mapped_code(layout) is None:
            continue
        bare = Layout.of(layout.elf)
        bare.__dict__["symtab"] = None
        files += 1
        for address, words in (words_of(layout, block) for block in layout.blocks):
            hits, _ = patterns().find(words)
            truth, guess = (_Scan(each)._is_code(address, words, hits) for each in (layout, bare))
            told.update(zip(truth.tolist(), guess.tolist(), strict=True))
    code, data = told[True, True] + told[True, False], told[False, True] + told[False, False]
    print(f"{files} files with mapping symbols, {np.sum(list(told.values()))} words that fit a pattern")
    print(f"in code: {code}, of these missed without symbols: {told[True, False]}")
    print(f"in data: {data}, of these taken for code without symbols: {told[False, True]}")


def main(argv: list[str]) -> None:
    match argv:
        case ["--agree", *places]:
            agree(places)
        case ["--stripped", *places]:
            stripped(places)
        case places:
            measure(places)


if __name__ == "__main__":
    main(sys.argv[1:])
