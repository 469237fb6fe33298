"""Instructions: a CPU that lacks one stops the program with SIGILL, when it gets there and not before.

Two grades. Certain (A111): the file uses a feature and shows no sign that it asks for it. Possible (A112): it shows
one; whether it asks before each use only a run can tell.

A sign may be in another file: OpenCV's imgproc module asks `cv::checkHardwareSupport` of its core module, and FFmpeg's
codecs ask `av_get_cpu_flags`. So a file also counts as asking if it imports a function that is named like such a
question and that comes from a library in its closure which shows signs itself. The closure ends at the box, whose
libraries' code nobody has read: a function that is named so and comes from there, but not from the C library, is
believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from edgebuild.audit.finding import finding
from edgebuild.audit.load import file_names
from edgebuild.model.contract import CpuSpec, Provided
from edgebuild.model.elf import ElfFacts, IsaUse
from edgebuild.model.finding import Finding
from edgebuild.model.tree import TreeFacts

# What a CPU with one feature has for sure, although a contract may not say it.
# Sources: Arm ARM, A2 (each FEAT_ entry's "implies"); Intel SDM, volume 1, chapters 12 to 15 (what to check for first).
_IMPLIED: Mapping[str, tuple[str, ...]] = {
    "asimdhp": ("fphp",), "fphp": ("asimdhp",), "asimdfhm": ("asimdhp",), "sve": ("asimdhp", "fcma"), "sve2": ("sve",),
    "sve2p1": ("sve2",), "sveaes": ("sve2",), "svepmull": ("sveaes",), "svebitperm": ("sve2",),
    "svesha3": ("sve2",), "svesm4": ("sve2",), "svei8mm": ("sve", "i8mm"), "svebf16": ("sve", "bf16"),
    "svef32mm": ("sve",), "svef64mm": ("sve",), "sveb16b16": ("sve2",), "sme2": ("sme",), "smei16i64": ("sme",),
    "smef64f64": ("sme",), "sha512": ("sha2",), "sha3": ("sha512",), "sha2": ("sha1",), "pmull": ("aes",),
    "ilrcpc": ("lrcpc",), "lrcpc3": ("ilrcpc",), "lse128": ("atomics",), "flagm2": ("flagm",), "dcpodp": ("dcpop",),
    "paca": ("pacg",), "pacg": ("paca",), "mte3": ("mte",),
    "ssse3": ("pni",), "sse4_1": ("ssse3",), "sse4_2": ("sse4_1",), "avx": ("sse4_2", "popcnt"), "avx2": ("avx",),
    "fma": ("avx",), "f16c": ("avx",), "fma4": ("avx",), "xop": ("fma4",), "avx512f": ("avx2", "fma", "f16c"),
    "vaes": ("aes", "avx"), "vpclmulqdq": ("pclmulqdq", "avx"), "avx_vnni": ("avx2",), "avx_ifma": ("avx2",),
    "avx512_fp16": ("avx512f", "avx512bw"), "avx512vbmi": ("avx512f", "avx512bw"),
}  # fmt: skip
# Levels of x86-64. Source: x86-64 psABI, 3.1.1; names as in Linux.
_V2 = ("cx16", "lahf_lm", "popcnt", "sse4_2")
_V3 = (*_V2, "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe")
_V4 = (*_V3, "avx512bw", "avx512cd", "avx512dq", "avx512vl")
# The loader looks into folders of these names only where the CPU has the features, so a file in one harms nobody.
# Sources: glibc, sysdeps/x86_64/dl-hwcaps-subdirs.c; before 2.37 "atomics" for Arm (elf/dl-hwcaps.c).
_FOLDERS = {"x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4, "atomics": ("atomics",)}
# Functions and variables that tell what the CPU has, by how projects name them.
_QUESTION = re.compile(
    r"cpu_?(?:flags|features?|caps?\b|capabilit|info|supports|model|isa)|hw_?caps?|auxv"
    r"|(?:check|have|has)_?hardware_?support|armcap|simd_?(?:caps?|level|features?|support)"
    r"|(?:has|have|supports?)_?(?:neon|sve|dotprod|fp16|i8mm|lse|avx|sse|fma)",
    re.IGNORECASE,
)
_COMPILER_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*\Z")  # "cortex-a53"; not "ARMv8 Processor rev 1 (v8l)"
_SHOWN = 3


def check_isa(tree: TreeFacts, provided: Provided) -> Iterator[Finding]:
    """A111 and A112, one a file; unknown where the contract does not list the CPU's features."""
    cpu = provided.contract.cpu
    has = None if cpu.features is None else with_implied(cpu.features)
    libraries = {name: elf for elf in tree.elves for name in file_names(elf)}
    for elf in tree.elves:
        chosen = with_implied(_by_folder(elf.name))
        uses = {feature: use for feature, use in (elf.isa or {}).items() if use.count and feature not in chosen}
        if has is not None:
            uses = {feature: use for feature, use in uses.items() if feature not in has}
        if uses:
            yield _judge(elf, uses, cpu, _sign(elf, libraries), is_known=has is not None)


def with_implied(features: Iterable[str]) -> frozenset[str]:
    """With all that they imply, in as many steps as it takes."""
    closed: set[str] = set()
    pending = list(features)
    while pending:
        if (feature := pending.pop()) not in closed:
            closed.add(feature)
            pending += _IMPLIED.get(feature, ("avx512f",) if feature.startswith("avx512") else ())
    return frozenset(closed)


def _by_folder(name: str) -> tuple[str, ...]:
    """Features that the loader makes sure of before it looks into the file's folder."""
    folders = PurePosixPath(name).parts[:-1]
    level = folders[folders.index("glibc-hwcaps") + 1 :][:1] if "glibc-hwcaps" in folders else folders[-1:]
    return _FOLDERS.get("".join(level), ())


def _sign(elf: ElfFacts, libraries: Mapping[str, ElfFacts]) -> str:
    """What shows that the file asks for features before it uses them; "" if nothing does."""
    if elf.dispatch:
        return ", ".join(elf.dispatch)
    closure = _closure(elf, libraries)
    for symbol in (*elf.undefined, *elf.weak):
        name, _, node = symbol.partition("@")
        if not _QUESTION.search(name):
            continue
        owners = [library for library in closure if any(each.partition("@")[0] == name for each in library.exported)]
        if asking := next((library for library in owners if library.dispatch), None):
            return f"{name} of {PurePosixPath(asking.name).name}"
        if not owners and not node.startswith(("GLIBC", "GCC_", "CXXABI")):
            return f"{name} of a library on the box"
    return ""


def _closure(elf: ElfFacts, libraries: Mapping[str, ElfFacts]) -> list[ElfFacts]:
    """Bundled libraries that the file needs, and those that these need, each once."""
    found: dict[str, ElfFacts] = {}
    pending = list(elf.needed)
    while pending:
        library = libraries.get(PurePosixPath(pending.pop()).name)
        if library and library.name not in found:
            found[library.name] = library
            pending += library.needed
    return list(found.values())


def _judge(elf: ElfFacts, uses: Mapping[str, IsaUse], cpu: CpuSpec, sign: str, *, is_known: bool) -> Finding:
    most_first = sorted(uses, key=lambda feature: -uses[feature].count)
    symbol = uses[most_first[0]].where
    used = f"uses {_list(most_first, uses)}"
    if not is_known:
        message = f"{used}, and the contract does not list what '{cpu.model}' has"
        hint = "put the box's /proc/cpuinfo features into cpu.features; `edgebuild probe` reads them."
        return finding("A112" if sign else "A111", elf, message, hint, "unknown", symbol)
    if sign:
        message = f"{used}; '{cpu.model}' lacks {_them(most_first)}, but the file seems to ask first ({sign})"
        hint = f"run it once as the box's CPU (emulator: -cpu {cpu.emulated_as}), the parts that use it above all."
        return finding("A112", elf, message, hint, "advice", symbol)
    message = f"{used}; '{cpu.model}' lacks {_them(most_first)}, and nothing in the file asks for it first"
    return finding("A111", elf, message, _remedy(elf, most_first, cpu), "error", symbol)


def _list(features: Sequence[str], uses: Mapping[str, IsaUse]) -> str:
    """ "atomics (12 times, first in spin_lock+0x8) and sve (once, in 0x4e4a4)"."""
    texts = []
    for feature in features[:_SHOWN]:
        use = uses[feature]
        count = "once, in" if use.count == 1 else f"{use.count} times, first in"
        texts.append(f"{feature} ({count} {use.where})")
    texts += [f"{len(features) - _SHOWN} more features"] if len(features) > _SHOWN else []
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _them(features: Sequence[str]) -> str:
    return "it" if len(features) == 1 else "them"


def _remedy(elf: ElfFacts, features: Sequence[str], cpu: CpuSpec) -> str:
    if elf.machine == "EM_X86_64":
        level = cpu.model if re.fullmatch(r"x86-64(-v[234])?", cpu.model) else "x86-64"
        return f"compile it with -march={level}, or take a build for that level."
    model = next((name for name in (cpu.model, cpu.emulated_as) if _COMPILER_NAME.match(name)), "generic")
    atomics = " -moutline-atomics" if "atomics" in features else ""
    return f"compile it with -mcpu={model}{atomics} and without a higher -march, or take a build for that CPU."
