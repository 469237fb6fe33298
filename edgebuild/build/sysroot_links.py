"""A box's files as one merged root: /lib below usr/lib, every symlink relative and leading somewhere. Pure.

A box may have real folders /lib and /usr/lib side by side, links that are absolute or lead through other links, and
links that lead nowhere, because a package was removed or a library replaced by hand.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from edgebuild.build.sysroot_select import Kind, is_foreign, is_needed_static, kind_of
from edgebuild.model.rootfile import ImportWish, RootFile

MERGED = ("bin", "sbin", "lib", "lib64")  # at the top, links into usr
_MAX_LINKS = 40  # as Linux: ELOOP
_EMPTY_ARCHIVE_BYTES = 8  # "!<arch>\n": what libdl.a and its like are since glibc 2.34
_DEV_NAME = re.compile(r"lib[^/]+\.so")
_NUMBER = re.compile(r"-?[\d.]+$")


@dataclass(frozen=True)
class Plan:
    """files: place in the sysroot -> file at its source. links: place -> target, both below the sysroot.

    nowhere: links that lead to nothing, place -> target. repaired: those of `links` that were led elsewhere.
    unknown: targets at the source that were not listed. doubles: places that had a file in /lib and one in /usr/lib.
    statics: static libraries left out, place -> size in bytes.
    """

    files: dict[str, RootFile] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    nowhere: dict[str, str] = field(default_factory=dict)
    repaired: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    doubles: tuple[str, ...] = ()
    statics: dict[str, int] = field(default_factory=dict)

    def without(self, places: Iterable[str]) -> Plan:
        """The same without these files and what led to them only."""
        gone = set(places)
        return settle(replace(self, files={place: file for place, file in self.files.items() if place not in gone}))


def merged_path(path: str) -> str:
    """ "lib/aarch64-linux-gnu/libc.so.6" -> "usr/lib/..."; "" for the root."""
    plain = posixpath.normpath(f"/{path}").lstrip("/")
    return f"usr/{plain}" if plain.split("/", 1)[0] in MERGED else plain


def target_of(link: RootFile) -> str:
    """Where a link leads at its source, below the root. ".." stops at the root, as in a kernel."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(link.path), link.link)).lstrip("/")


def relative_target(place: str, target: str) -> str:
    """What the link at `place` has to hold."""
    return posixpath.relpath(target, posixpath.dirname(place) or ".")


def plan_import(listed: Iterable[RootFile], wish: ImportWish, machine: str, searched: tuple[str, ...] = ()) -> Plan:
    """What to take, and where it goes. machine: as in `uname -m`; searched: more of the loader's folders."""
    tree = Tree(listed)
    chosen, statics = _choose(tree, wish, machine, searched)
    nowhere: dict[str, str] = {}
    unknown: set[str] = set()
    for place, kind in list(chosen.items()):
        if place not in tree.targets:
            continue
        hops, real = follow(place, tree.targets, tree.has)
        if real is None:
            del chosen[place]
            last, nowhere[place] = hops[-1]
            unknown.add(target_of(tree.entries[last]))
            continue
        for hop, _ in hops:
            chosen.setdefault(hop, kind)
        if real in tree.entries:
            chosen.setdefault(real, kind)
        elif real and kind == "header":  # usr/include/foo -> /opt/foo/include
            chosen |= {each: kind for each in tree.entries if each.startswith(f"{real}/") and each not in chosen}
    _add_folder_links(tree, chosen)
    plan = Plan(
        files={place: tree.entries[place] for place in chosen if place not in tree.targets},
        links={place: tree.targets[place] for place in chosen if place in tree.targets},
        kinds=chosen,
        nowhere=nowhere,
        unknown=tuple(sorted(unknown)),
        doubles=tuple(sorted(tree.doubles)),
        statics=statics,
    )
    return settle(plan)


def settle(plan: Plan) -> Plan:
    """Without links that lead to nothing that is taken; development links are led to their library where it is clear.

    For instance libfoo.so -> libfoo.so.1.2.4, when the box has libfoo.so.1 -> libfoo.so.1.2.3.
    """
    links, nowhere = dict(plan.links), dict(plan.nowhere)
    while lost := _leading_nowhere(links, plan.files):
        nowhere |= {place: links.pop(place) for place in lost}
    repaired = {place: target for place, target in plan.repaired.items() if place in links}
    for place in sorted(nowhere):
        if library := _library_for(place, (*links, *plan.files)):
            links[place] = repaired[place] = library
            del nowhere[place]
    kinds = {place: plan.kinds.get(place, "library") for place in (*plan.files, *links)}
    return replace(plan, links=links, kinds=kinds, nowhere=nowhere, repaired=repaired)


def _leading_nowhere(links: Mapping[str, str], files: Mapping[str, RootFile]) -> list[str]:
    folders = folders_of((*files, *links))
    return [place for place in links if follow(place, links, lambda path: path in files or path in folders)[1] is None]


def follow(
    place: str, links: Mapping[str, str], has: Callable[[str], bool]
) -> tuple[list[tuple[str, str]], str | None]:
    """The links from a place on, each with what it leads to, and the file or folder at the end; None: nothing."""
    hops: list[tuple[str, str]] = []
    rest, real = place.split("/"), ""
    while rest:
        path = f"{real}/{rest[0]}" if real else rest[0]
        if path in links:
            hops.append((path, links[path]))
            if len(hops) > _MAX_LINKS:
                return hops, None
            rest, real = [*links[path].split("/"), *rest[1:]], ""
        elif has(path):
            rest, real = rest[1:], path
        else:
            return hops, None
    return hops, real


def folders_of(paths: Iterable[str]) -> set[str]:
    """Every folder on the way to them."""
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def without_link(plan: Plan) -> tuple[str, ...]:
    """Libraries (libfoo.so.1) whose headers are there, but whose libfoo.so, which `-lfoo` asks for, is not.

    Headers: include/foo.h, a folder include/foo/, or foo.pc.
    """
    names = {place.rpartition("/")[2] for place in (*plan.files, *plan.links)}
    described = {name.removesuffix(".pc").removeprefix("lib") for name in names if name.endswith(".pc")}
    for place, kind in plan.kinds.items():
        if kind == "header":
            described.add(place.partition("/include/")[2].split("/")[0].removesuffix(".h").removeprefix("lib"))
    found = set()
    for name in names:
        stem, dot, _ = name.partition(".so.")
        short = stem.removeprefix("lib")
        linked = {f"{stem}.so", f"{stem}.a"} & names  # libpthread.a is an empty stand-in since glibc 2.34
        if dot and short != stem and not linked and {short, _NUMBER.sub("", short)} & described:
            found.add(name)
    # Of libfoo.so.1 and libfoo.so.1.2.3 the shorter stands for both.
    return tuple(sorted(name for name in found if not any(name.startswith(f"{other}.") for other in found)))


class Tree:
    """Everything listed, by its place in the merged root. targets: of the links."""

    def __init__(self, listed: Iterable[RootFile]) -> None:
        self.entries: dict[str, RootFile] = {}
        self.targets: dict[str, str] = {}
        self.doubles: set[str] = set()
        for entry in listed:
            self._add(entry)
        self._folders = folders_of(self.entries)

    def _add(self, entry: RootFile) -> None:
        place = merged_path(entry.path)
        target = merged_path(target_of(entry)) if entry.link else ""
        if place in ("", "usr") or (entry.link and target == place):
            return  # lib -> usr/lib, or usr/lib/libz.so.1 -> /lib/libz.so.1: one place when merged
        there = self.entries.get(place)
        if there and there.path != entry.path:
            if not (there.link or entry.link):
                self.doubles.add(place)
            if not _goes_before(entry, there):
                return
        self.entries[place] = entry
        self.targets.pop(place, None)
        if entry.link:
            self.targets[place] = target

    def has(self, path: str) -> bool:
        return path in self.entries or path in self._folders


def _goes_before(entry: RootFile, there: RootFile) -> bool:
    """A file goes before a link, and what is in /lib before what is in /usr/lib, as the loader looks there first."""
    if bool(entry.link) != bool(there.link):
        return not entry.link
    return entry.path.split("/", 1)[0] in MERGED


def _choose(
    tree: Tree, wish: ImportWish, machine: str, searched: tuple[str, ...]
) -> tuple[dict[str, Kind], dict[str, int]]:
    """By name: what is taken, and which static libraries are not."""
    chosen: dict[str, Kind] = {}
    statics: dict[str, int] = {}
    for place, entry in tree.entries.items():
        kind = None if is_foreign(place, machine) else kind_of(place, wish, searched)
        is_large = entry.size_bytes > _EMPTY_ARCHIVE_BYTES
        if kind == "static" and is_large and not (wish.static or is_needed_static(place.rpartition("/")[2])):
            statics[place] = entry.size_bytes
        elif kind:
            chosen[place] = kind
    return chosen, statics


def _add_folder_links(tree: Tree, chosen: dict[str, Kind]) -> None:
    """Links to folders of which something is taken, such as usr/lib/gcc/aarch64-linux-gnu/10.2.1 -> 10."""
    folders = folders_of(place for place in chosen if place not in tree.targets)
    for place in tree.targets:
        hops, real = follow(place, tree.targets, tree.has) if place not in chosen else ([], None)
        if real in folders and "/" in real:
            for hop, _ in hops:
                chosen.setdefault(hop, "system")


def _library_for(place: str, known: Iterable[str]) -> str:
    """The one library of these that a development link of this name can mean, else ""."""
    name = place.rpartition("/")[2]
    if not _DEV_NAME.fullmatch(name):
        return ""
    found = [each for each in known if each.rpartition("/")[2].startswith(f"{name}.")]
    shortest = min((each.rpartition("/")[2].count(".") for each in found), default=0)
    best = [each for each in found if each.rpartition("/")[2].count(".") == shortest]
    return best[0] if len(best) == 1 else ""
