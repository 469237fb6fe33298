"""Reads ELF files: what the loader reads (reader.py), what strings tell (strings.py), their instructions (isa.py)."""

from edgebuild.elf.facts import highest_versions
from edgebuild.elf.reader import is_elf, read_elf, read_elves

__all__ = ["highest_versions", "is_elf", "read_elf", "read_elves"]
