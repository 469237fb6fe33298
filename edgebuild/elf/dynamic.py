"""The dynamic section: what a file needs and offers by name. Read through addresses, as the loader does."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebuild.elf.format import SHT_DYNSYM, Damaged, ElfFile, Segment, Strings

_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT = 1, 4, 5, 6, 10, 11
_DT_RELA, _DT_RELASZ, _DT_PLTRELSZ, _DT_JMPREL = 7, 8, 2, 23
_DT_SONAME, _DT_RPATH, _DT_TEXTREL, _DT_RUNPATH, _DT_FLAGS, _DT_RELR = 14, 15, 22, 29, 30, 36
_DT_GNU_HASH, _DT_VERSYM, _DT_FLAGS_1 = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB
_DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_DF_TEXTREL, _DF_STATIC_TLS = 0x4, 0x10
_VER_FLG_BASE, _VER_FLG_WEAK, _VERSION_HIDDEN = 0x1, 0x2, 0x8000
_STB_LOCAL, _STB_WEAK = 0, 2
_SHN_UNDEF = 0
_VISIBLE = (0, 3)  # STV_DEFAULT, STV_PROTECTED
_MAX_VERSIONS = 1 << 16
_RELA_BYTES, _RELA_TYPE_AT = 24, 2  # the type is the third of its six words
_MAX_TAGS = 1 << 16
_MAX_CHAIN = 1 << 20

Symbols = tuple[dict[str, dict[str, tuple[str, ...]]], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass
class Dynamic:
    """Empty for a static program or an object file."""

    elf: ElfFile
    values: Mapping[int, list[int]] = field(default_factory=dict)
    strings: Strings = field(default_factory=lambda: Strings(b"\0"))

    @staticmethod
    def read(elf: ElfFile, segment: Segment | None) -> Dynamic:
        """Raises Damaged."""
        if segment is None:
            return Dynamic(elf)
        values: dict[int, list[int]] = defaultdict(list)
        layout, step = (elf.order + "qQ", 16) if elf.bits == 64 else (elf.order + "iI", 8)
        size_bytes = min(segment.file_bytes, _MAX_TAGS * step)
        body = elf.chunk(segment.offset, size_bytes - size_bytes % step)
        for tag, value in struct.iter_unpack(layout, body):
            if tag == 0:
                break
            values[tag & 0xFFFFFFFF].append(value)
        dynamic = Dynamic(elf, values)
        if _DT_STRTAB in values:
            offset = elf.offset_of(values[_DT_STRTAB][0])
            size_bytes = values[_DT_STRSZ][0] if _DT_STRSZ in values else len(elf.data) - offset
            dynamic.strings = Strings(elf.chunk(offset, size_bytes))
        return dynamic

    def strings_range(self) -> tuple[int, int]:
        """Where the names lie in the file, (0, 0) for none."""
        if _DT_STRTAB not in self.values or _DT_STRSZ not in self.values:
            return 0, 0
        offset = self.elf.offset_of(self._number(_DT_STRTAB))
        return offset, offset + self._number(_DT_STRSZ)

    def _number(self, tag: int) -> int:
        return self.values[tag][0] if tag in self.values else 0

    def _texts(self, tag: int) -> tuple[str, ...]:
        return tuple(self.strings[offset] for offset in self.values.get(tag, ()))

    @property
    def needed(self) -> tuple[str, ...]:
        return self._texts(_DT_NEEDED)

    @property
    def soname(self) -> str:
        return "".join(self._texts(_DT_SONAME)[:1])

    @property
    def is_rpath(self) -> bool:
        """glibc looks at RPATH only where there is no RUNPATH."""
        return _DT_RUNPATH not in self.values and _DT_RPATH in self.values

    @property
    def runpath(self) -> tuple[str, ...]:
        texts = self._texts(_DT_RUNPATH) or self._texts(_DT_RPATH)
        return tuple(entry for text in texts for entry in text.split(":"))

    @property
    def flags_1(self) -> int:
        return self._number(_DT_FLAGS_1)

    @property
    def text_relocations(self) -> bool:
        return _DT_TEXTREL in self.values or bool(self._number(_DT_FLAGS) & _DF_TEXTREL)

    @property
    def static_tls(self) -> bool:
        return bool(self._number(_DT_FLAGS) & _DF_STATIC_TLS)

    def uses_initial_exec(self, relocation: int) -> bool:
        """Whether a relocation takes an offset from the thread pointer. GNU ld sets no flag for it on aarch64."""
        if self.elf.bits != 64 or self.elf.order != "<":
            return False
        for table, size in ((_DT_RELA, _DT_RELASZ), (_DT_JMPREL, _DT_PLTRELSZ)):
            if table in self.values and self._number(size):
                place, size_bytes = self.elf.offset_of(self._number(table)), self._number(size)
                words = memoryview(self.elf.chunk(place, size_bytes - size_bytes % _RELA_BYTES)).cast("I")
                if relocation in set(words[_RELA_TYPE_AT :: _RELA_BYTES // 4]):
                    return True
        return False

    @property
    def relr(self) -> bool:
        return _DT_RELR in self.values

    @property
    def defined_versions(self) -> tuple[str, ...]:
        """Without the file's own name, which is the base of the list and no version."""
        return tuple(sorted(self._definitions().values()))

    def symbols(self) -> Symbols:
        """Needed versions by library, undefined and weak symbols, exported ones (see ElfFacts). Raises Damaged."""
        needs, weak_nodes = self._needs()
        nodes = {index: node for index, (_, node) in needs.items()}
        definitions = self._definitions()
        undefined: list[str] = []
        weak: list[str] = []
        exported: list[str] = []
        bound: dict[int, list[str]] = defaultdict(list)
        own_nodes = set(definitions.values())
        names = self.strings
        for name_at, info, other, section, version in self._table():
            binding = info >> 4
            if binding == _STB_LOCAL or not name_at:
                continue
            index = version & ~_VERSION_HIDDEN
            name = names[name_at]
            if section == _SHN_UNDEF:
                node = nodes.get(index)
                if node:
                    bound[index].append(name)
                    name = f"{name}@{node}"
                (weak if binding == _STB_WEAK else undefined).append(name)
            elif index and other & 3 in _VISIBLE and name not in own_nodes:  # GNU ld exports the nodes' names, too
                exported.append(f"{name}@{definitions[index]}" if index in definitions else name)
        needed: dict[str, dict[str, tuple[str, ...]]] = {}
        for index, (library, node) in needs.items():
            if index not in weak_nodes:
                needed.setdefault(library, {})[node] = tuple(sorted(bound[index]))
        return needed, tuple(sorted(undefined)), tuple(sorted(weak)), tuple(sorted(exported))

    def _table(self) -> list[tuple[int, int, int, int, int]]:
        """Name, info, other, section and version index of every dynamic symbol but the first, which is empty."""
        if _DT_SYMTAB not in self.values:
            return []
        offset = self.elf.offset_of(self._number(_DT_SYMTAB))
        layout, step = ("IBBHQQ", 24) if self.elf.bits == 64 else ("IIIBBH", 16)
        count = self._count(offset, step)
        entries = list(struct.iter_unpack(self.elf.order + layout, self.elf.chunk(offset, count * step)))
        versions = [1] * count
        if _DT_VERSYM in self.values:
            place = self.elf.offset_of(self._number(_DT_VERSYM))
            versions = list(struct.unpack(f"{self.elf.order}{count}H", self.elf.chunk(place, count * 2)))
        if self.elf.bits == 64:
            table = [(e[0], e[1], e[2], e[3], v) for e, v in zip(entries, versions, strict=True)]
        else:
            table = [(e[0], e[3], e[4], e[5], v) for e, v in zip(entries, versions, strict=True)]
        return table[1:]

    def _count(self, offset: int, step: int) -> int:
        """How many dynamic symbols there are: the loader never needs to know, so no tag says it.

        The section's size says it; without sections DT_HASH does, or DT_GNU_HASH as far as symbols are exported;
        undefined ones beyond that end where the strings begin, which every linker puts right behind.
        """
        for section in self.elf.sections:
            if section.kind == SHT_DYNSYM and section.offset == offset:
                return section.size_bytes // step
        if _DT_HASH in self.values:
            count: int = self.elf.unpack("II", self.elf.offset_of(self._number(_DT_HASH)))[1]
            return count
        strings = self.elf.offset_of(self._number(_DT_STRTAB))
        behind = (strings - offset) // step if strings > offset else 0
        return max(behind, self._count_by_gnu_hash())

    def _count_by_gnu_hash(self) -> int:
        if _DT_GNU_HASH not in self.values:
            return 0
        place = self.elf.offset_of(self._number(_DT_GNU_HASH))
        bucket_count, first, bloom_words, _ = self.elf.unpack("IIII", place)
        buckets_at = place + 16 + bloom_words * self.elf.bits // 8
        last = max(self.elf.unpack(f"{bucket_count}I", buckets_at), default=0) if bucket_count < 1 << 24 else 0
        if last < first:
            return first
        chain_at = buckets_at + bucket_count * 4
        for number in range(last, last + _MAX_CHAIN):
            if self.elf.unpack("I", chain_at + (number - first) * 4)[0] & 1:
                return number + 1
        raise Damaged("damaged ELF file (an endless chain in its hash table)")

    def _needs(self) -> tuple[dict[int, tuple[str, str]], set[int]]:
        """Version index -> (library, node), and the indices that only weak references ask for."""
        needs: dict[int, tuple[str, str]] = {}
        weak: set[int] = set()
        if _DT_VERNEED not in self.values:
            return needs, weak
        place = self.elf.offset_of(self._number(_DT_VERNEED))
        for _ in range(min(self._number(_DT_VERNEEDNUM) or _MAX_VERSIONS, _MAX_VERSIONS)):
            _, count, file_at, auxiliary, following = self.elf.unpack("HHIII", place)
            library = self.strings[file_at]
            aux_at = place + auxiliary
            if len(needs) + count > _MAX_VERSIONS:
                raise Damaged("damaged ELF file (more version needs than there can be)")
            for _ in range(count):
                _, flags, index, name_at, next_aux = self.elf.unpack("IHHII", aux_at)
                needs[index & ~_VERSION_HIDDEN] = (library, self.strings[name_at])
                if flags & _VER_FLG_WEAK:
                    weak.add(index & ~_VERSION_HIDDEN)
                if not next_aux:
                    break
                aux_at += next_aux
            if not following:
                break
            place += following
        return needs, weak

    def _definitions(self) -> dict[int, str]:
        """Version index -> node, without the base, which is the file's own name.

        The first auxiliary entry names the node; later ones are its predecessors.
        """
        definitions: dict[int, str] = {}
        if _DT_VERDEF not in self.values:
            return definitions
        place = self.elf.offset_of(self._number(_DT_VERDEF))
        for _ in range(min(self._number(_DT_VERDEFNUM) or _MAX_VERSIONS, _MAX_VERSIONS)):
            _, flags, index, count, _, auxiliary, following = self.elf.unpack("HHHHIII", place)
            if not count:
                raise Damaged("damaged ELF file (a version without a name)")
            if not flags & _VER_FLG_BASE:
                definitions[index & ~_VERSION_HIDDEN] = self.strings[self.elf.unpack("I", place + auxiliary)[0]]
            if not following:
                break
            place += following
        return definitions
