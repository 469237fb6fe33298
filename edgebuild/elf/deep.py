"""Facts that take a look at every byte: strings and instructions. Apart, because headers alone are read in no time."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebuild.elf.format import Damaged, ElfFile, map_file
from edgebuild.elf.isa import scan_isa
from edgebuild.elf.strings import scan_strings
from edgebuild.errors import AuditError
from edgebuild.model.elf import ElfFacts


def deepen(path: Path, facts: ElfFacts, *, isa: bool = True) -> ElfFacts:
    """`facts` of this file with opens, paths, isa and dispatch filled in. Raises AuditError."""
    if facts.kind == "object":
        return facts
    data = map_file(path)
    try:
        opens, paths = scan_strings(data, ElfFile.open(data), facts)
    except Damaged as err:
        msg = f"{facts.name}: {err}"
        raise AuditError(msg, "build or download it again.") from err
    facts = msgspec.structs.replace(facts, opens=opens, paths=paths)
    if not isa:
        return facts
    uses, dispatch = scan_isa(path, facts)
    return msgspec.structs.replace(facts, isa=uses, dispatch=dispatch)
