"""Which CPU features a file's instructions need beyond its architecture's first version, and whether it asks before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.elf.format import Damaged, ElfFile, map_file
from edgebuild.errors import AuditError
from edgebuild.model.elf import ElfFacts, IsaUse

if TYPE_CHECKING:  # numpy and the decoder of x86 take longer to load than most commands to run
    from edgebuild.elf.layout import Layout

_EM_X86_64, _EM_AARCH64 = 62, 183
_ASKING_FILES = (b"/proc/cpuinfo", b"/proc/self/auxv", b"/regs/identification/midr_el1")
# Functions and variables of C libraries and compilers that tell features, for every architecture. getauxval, which
# tells other things as well, is looked at more closely. By _rtld_global_ro parts of glibc see what the loader found.
_ASKING_SYMBOLS = (
    "elf_aux_info", "__cpu_indicator_init", "__cpu_model", "__init_cpu_features_resolver", "__aarch64_cpu_features",
    "__x86_get_cpuid_feature_leaf", "__x86_get_cpu_features", "_rtld_global_ro",
)  # fmt: skip
# Vector variants, which only code compiled for the same feature calls. Source: Vector Function ABI.
_VECTOR_VARIANTS = (b"_ZGVs", b"_ZGVc", b"_ZGVd", b"_ZGVe")
_IRELATIVE = {_EM_X86_64: 37, _EM_AARCH64: 1032}


def scan_isa(path: Path, elf: ElfFacts) -> tuple[dict[str, IsaUse], tuple[str, ...]]:
    """Uses by feature as /proc/cpuinfo names it, and signs of dispatch (ElfFacts.isa and .dispatch).

    Signs speak of the whole file, not of one use. A file without uses has them as well: others may ask it.
    Nothing for machines other than 64-bit Arm and x86-64. Raises AuditError for a damaged file.
    """
    if elf.machine not in ("EM_AARCH64", "EM_X86_64") or elf.bits != 64 or elf.endianness != "little":
        return {}, ()
    try:
        return _scan(ElfFile.open(map_file(path)))
    except Damaged as err:
        msg = f"{elf.name}: {err}"
        raise AuditError(msg, "build or download it again.") from err


def _scan(elf: ElfFile) -> tuple[dict[str, IsaUse], tuple[str, ...]]:
    from edgebuild.elf.layout import Layout

    layout = Layout.of(elf)
    if elf.machine == _EM_AARCH64:
        from edgebuild.elf.isa_aarch64 import scan_aarch64

        uses, signs = scan_aarch64(layout)
    else:
        from edgebuild.elf.isa_x86 import scan_x86

        uses, signs = scan_x86(layout)
    return uses, tuple(sorted({*signs, *_signs(layout)}))


def _signs(layout: Layout) -> tuple[str, ...]:
    """Those that are the same for every architecture."""
    data = layout.elf.data
    signs = [text.decode() for text in _ASKING_FILES if data.find(text) >= 0]
    for table in layout.tables:
        signs += [name for name in _ASKING_SYMBOLS if table.indices_of(name)]
        if any(variant in table.strings for variant in _VECTOR_VARIANTS):
            signs.append("variants of vector functions")
    if layout.has_resolvers(_IRELATIVE[layout.elf.machine]):
        signs.append("ifunc")
    return tuple(signs)
