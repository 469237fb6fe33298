"""Who brought it in: the object file or static library behind a symbol, by the linker's map and the files it names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

import msgspec

from edgebuild.audit.link_map import LinkMap, read_link_map
from edgebuild.elf import is_elf, read_elf
from edgebuild.elf.objects import ObjectSymbols, read_members, read_object
from edgebuild.errors import AuditError
from edgebuild.model.finding import Finding

_CODES = ("A102", "A104", "A110", "A111", "A112")
_FIXED_BY_REBUILDING = ("A102", "A104")  # a lower glibc alone would only make the link fail
_MEMBER = re.compile(r"^(?P<library>.+)\((?P<member>[^()]+)\)$")
_ADDRESS = re.compile(r"^0x[0-9a-f]+$")
_SHOWN = 2
_SUFFIX = ".map"

Lookup = Callable[[str], str]


def origins(link_map: Path) -> Lookup:
    """A function from a symbol ("fmod@GLIBC_2.38") or an address ("0x10105e0") to "libfoo.a(bar.o)".

    A symbol belongs to the input that defines it; one that nobody defines, to those that ask for it. "" where that
    cannot be told: the inputs are gone by now, or are LTO bitcode. Inputs are read when the first symbol is asked for.
    Raises OSError.
    """
    read = read_link_map(link_map)
    tables: list[Mapping[str, list[str]]] = []

    @cache
    def lookup(symbol: str) -> str:
        if _ADDRESS.match(symbol):
            return shown(_at(int(symbol, 16), read))
        if not tables:
            tables.extend(_tables(read, link_map.parent))
        name = symbol.partition("@")[0].partition("+")[0]
        return shown(next((table[name] for table in tables if name in table), []))

    return lookup


def attribute(findings: Sequence[Finding], lookup: Lookup, files: Collection[str] | None = None) -> tuple[Finding, ...]:
    """Fills `origin` where a symbol is the matter. files: those that the map is about; None: all of them."""
    return tuple(_attributed(each, lookup) if files is None or each.file in files else each for each in findings)


def link_maps(tree: Path) -> dict[str, Path]:
    """Maps that a build tree keeps, by the build-id of the file that lies beside each ("app.map" beside "app")."""
    found: dict[str, Path] = {}
    for path in sorted(tree.rglob(f"*{_SUFFIX}")):
        product = path.with_name(path.name.removesuffix(_SUFFIX))
        if is_elf(product):
            try:
                found[read_elf(product).build_id] = path
            except AuditError:  # half-written by an interrupted link
                continue
    found.pop("", None)
    return found


def shown(sources: Sequence[str]) -> str:
    """Static libraries first: they are what one did not write oneself."""
    names = dict.fromkeys(sorted(map(_short, sources), key=lambda name: not name.endswith(")")))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join([*names][:_SHOWN]) + more


def _attributed(finding: Finding, lookup: Lookup) -> Finding:
    if finding.code not in _CODES or not finding.symbol or finding.origin:
        return finding
    origin = lookup(finding.symbol)
    library = _MEMBER.match(origin.partition(", ")[0])
    if library and finding.code in _FIXED_BY_REBUILDING:
        hint = f"rebuild {library['library']} for the box, or take another release of it: it asks for {finding.symbol}."
        return msgspec.structs.replace(finding, origin=origin, hint=hint)
    return msgspec.structs.replace(finding, origin=origin)


def _short(source: str) -> str:
    """ "libfoo.a(bar.o)" without folders; an object file of one's own keeps a relative path, which tells more."""
    if match := _MEMBER.match(source):
        return f"{PurePosixPath(match['library']).name}({PurePosixPath(match['member']).name})"
    return PurePosixPath(source).name if source.startswith("/") else source


def _at(address: int, read: LinkMap) -> list[str]:
    return [each.source for each in read.code if each.address <= address < each.address + each.size_bytes]


def _tables(read: LinkMap, folder: Path) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    """Symbol -> inputs that define it, and symbol -> inputs that ask for it."""
    defined: dict[str, list[str]] = defaultdict(list)
    asked: dict[str, list[str]] = defaultdict(list)
    for source, symbols in _read_inputs(read, folder).items():
        for name in symbols.defined:
            defined[name].append(source)
        for name in symbols.undefined:
            asked[name].append(source)
    return defined, asked


def _read_inputs(read: LinkMap, folder: Path) -> dict[str, ObjectSymbols]:
    members: dict[str, set[str]] = defaultdict(set)
    found: dict[str, ObjectSymbols] = {}
    for source in read.inputs:
        if match := _MEMBER.match(source):
            members[match["library"]].add(match["member"])
        elif path := _find(source, folder):
            found[source] = read_object(path)
    for library, names in members.items():
        if path := _find(library, folder):
            for name, symbols in read_members(path, frozenset(names)).items():
                found[f"{library}({name})"] = symbols
    return found


def _find(source: str, folder: Path) -> Path | None:
    """A relative path counts from where the linker ran, which the map does not say: its folder or one above."""
    places = (Path(base, source) for base in (folder, *folder.absolute().parents))
    return next((path for path in places if path.is_file()), None)
