"""NEEDED libraries, their version nodes, the paths they are searched in, and copies that would meet."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from edgebuild.audit.finding import box, finding, glibc_of, name_node
from edgebuild.audit.load import Loader, Process, inside_tree
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import NAMED_NODES, ElfFacts, VersionNode, parse_version
from edgebuild.model.finding import Finding
from edgebuild.model.tree import TreeFacts

_PRIVATE = "GLIBC_PRIVATE"
_OF_ROOT = ("/opt/", "/usr/", "/lib/", "/lib64/")  # folders of a box that only root writes to
_VERSIONS_MAY_GO_FROM = (2, 41)  # glibc bdaf500353, "elf: Remove version assert in check_match in elf/dl-lookup.c"
# "libavcodec" of "libavcodec.so.59"; auditwheel and delocate put a hash between: "libgfortran-040039e1.so.5".
_STEM = re.compile(r"^(?P<stem>.+?)(?P<hash>-[0-9a-f]{8})?\.so(?:\.|$)")
Needs = Mapping[str, Mapping[str, str]]


def check_libraries(process: Process, loader: Loader) -> Iterator[Finding]:
    """What the loader does not find, or finds too old, when it starts this process."""
    provided = loader.provided
    for missing in process.missing:
        if missing.instead:
            yield _not_a_library(missing.library, missing.needed_by, missing.instead)
        else:
            yield _missing(missing.library, missing.needed_by, loader)
    for elf in process.bundled:
        for library, nodes in elf.needed_versions.items():
            if bundled := process.names.get(library):
                yield from _missing_in_bundled(elf, bundled, nodes, provided.contract)
            elif library in provided.contract.libraries:
                yield from _newer_than_box(elf, library, nodes, provided)
            elif library not in {each.library for each in process.missing}:
                yield _missing(library, elf, loader)


def _missing(library: str, elf: ElfFacts, loader: Loader) -> Finding:
    contract = loader.provided.contract
    hint = f"bundle it and let RUNPATH lead to it; add it to the contract if {box(contract)} has it."
    stem = stem_of(library)
    if others := sorted(each for each in contract.libraries if each != library and stem_of(each) == stem):
        hint = f"the box has {', '.join(others)}: build against that, or bundle {library} and let RUNPATH lead to it."
    if there := loader.by_file_name.get(library):
        place, name = posixpath.split(there.name)
        link = f"add a link {library} -> {name} beside it, and " if name != library else ""
        hint = f"{name} is in the tree: {link}let RUNPATH of {elf.name} lead to {place or 'its folder'} ($ORIGIN/...)."
    if "/" in library:  # the loader searches nothing then
        hint = f"that is a path: link a library with a SONAME, or patchelf --replace-needed {library} NAME."
    return finding(
        "A103", elf, f"needs {library}, which is neither bundled where it looks nor on {box(contract)}", hint
    )


def _not_a_library(library: str, elf: ElfFacts, instead: ElfFacts) -> Finding:
    what = "a program" if instead.kind == "executable" else "an object file or split debug information"
    message = f"needs {library}, and the loader finds {instead.name} there, which is {what}"
    hint = "put the library in its place: the loader ends with the first file of that name instead of searching on."
    return finding("A103", elf, message, hint)


def _missing_in_bundled(
    elf: ElfFacts, bundled: ElfFacts, nodes: Mapping[str, tuple[str, ...]], contract: Contract
) -> Iterator[Finding]:
    if not bundled.defined_versions:
        # The loader prints "no version information available" and takes the symbols all the same, but needs the table
        # of versions for it, which linkers leave out of a file that neither defines nor needs any.
        glibc = glibc_of(contract)
        if not bundled.needed_versions and nodes and glibc and glibc < _VERSIONS_MAY_GO_FROM:
            node, symbols = next(iter(nodes.items()))
            message = f"needs {name_node(node, symbols)}, but the bundled {bundled.name} has no versions at all"
            hint = "the loader ends with an assertion before glibc 2.41; bundle the library it was linked against."
            yield finding("A102", elf, message, hint, symbol=_example(node, symbols))
        return
    for node, symbols in nodes.items():
        if node not in bundled.defined_versions:
            message = f"needs {name_node(node, symbols)}, but the bundled {bundled.name} does not define it"
            hint = "ship the library that it was linked with (an image: a newer base), or link it with this one."
            yield finding("A102", elf, message, hint, symbol=_example(node, symbols))


def _newer_than_box(
    elf: ElfFacts, library: str, nodes: Mapping[str, tuple[str, ...]], provided: Provided
) -> Iterator[Finding]:
    limits = provided.contract.libraries[library]
    exact = provided.nodes(library)
    place = box(provided.contract)
    for name, symbols in nodes.items():
        node = VersionNode.parse(name)
        limit = limits.get(node.family, "")
        needs, example = f"needs {name_node(name, symbols)}", _example(name, symbols)
        if name == _PRIVATE:
            if exact and all(f"{symbol}@{name}" in provided.symbols[library] for symbol in symbols):
                continue
            message = f"{needs}, which only the very glibc it was linked against has"
            hint = "do not bundle parts of glibc, and do not link its internals."
            yield finding("A102", elf, message, hint, symbol=example)
        elif name in exact:
            continue
        elif exact and name not in NAMED_NODES:
            newest = f", whose newest is {node.family}_{limit}" if limit else ""
            message = f"{needs}, which {library} of {place} does not have{newest}"
            yield finding("A102", elf, message, _remedy(library), symbol=example)
        elif not limit or not node.version:
            message = f"{needs}, but {place} does not say which {node.family} nodes {library} has"
            hint = (
                "`edgebuild probe` reads it from a box; or `readelf --version-info` there, and add it to the contract."
            )
            yield finding("A102", elf, message, hint, "unknown", example)
        elif node.version > parse_version(limit):
            message = f"{needs}, but {library} of {place} ends at {node.family}_{limit}"
            yield finding("A102", elf, message, _remedy(library), symbol=example)


def _remedy(library: str) -> str:
    if library.startswith("libgcc_s"):
        return "link with -static-libgcc, or build with a compiler that is no newer than the box's."
    if library.startswith("libstdc++"):
        return "link libstdc++ statically and hidden, or against the box's own (`edgebuild sysroot import`)."
    return "link for a lower glibc, or against the box's own libraries (`edgebuild sysroot import`)."


def _example(node: str, symbols: tuple[str, ...]) -> str:
    return f"{symbols[0]}@{node}" if symbols else node


# ---- Floor ----


def check_floor(
    loader: Loader, floor: str, needs: Needs, others: Collection[str] = frozenset(), *, static_runtime: bool = True
) -> Iterator[Finding]:
    """What is linked above the floor of everything of ours. What bundled libraries define is always allowed.

    others: libraries of vendors' SDKs, whose versions are their own. static_runtime: ours has its C++ runtime inside;
    without, it may ask the box's libraries for any version that the contract has (A102).
    """
    seen: set[str] = set()
    for process in loader.processes:
        for elf in process.bundled:
            if elf.name not in seen:
                seen.add(elf.name)
                free = {*process.names, *others}
                limits = needs.get(elf.name, {"GLIBC": floor})
                yield from _above_floor(elf, limits, free, alone=static_runtime or elf.name in needs)


def _above_floor(elf: ElfFacts, limits: Mapping[str, str], free: Collection[str], *, alone: bool) -> Iterator[Finding]:
    """limits: highest version per node family. alone: other families are not allowed. free: libraries that may have
    any versions.
    """
    for library, nodes in elf.needed_versions.items():
        if library in free:
            continue
        for name, symbols in nodes.items():
            node = VersionNode.parse(name)
            limit = limits.get(node.family)
            example = _example(name, symbols)
            if limit is None and not alone:
                continue
            if limit is None:
                hint = "link its runtime statically and hidden, as the rest of ours."
                message = f"needs {name_node(name, symbols)}; nothing of {node.family} is allowed"
                yield finding("A104", elf, message, hint, symbol=example)
            elif node.version > parse_version(limit):
                hint = "it was not linked by the row's toolchain, or for another floor."
                message = f"needs {name_node(name, symbols)}; the floor is {node.family}_{limit}"
                yield finding("A104", elf, message, hint, symbol=example)


# ---- Search paths ----


def check_search_paths(elf: ElfFacts, tree: TreeFacts, *, own: bool) -> Iterator[Finding]:
    """own: made by our build. Wheels of others keep folders of the container that made them; where only root can write
    and nothing is found, that harms nobody.
    """
    for entry in elf.runpath:
        if inside_tree(entry, elf.name, system=tree.system) is None:
            hint = "only $ORIGIN-relative folders that ship with it; audit the whole tree, not one file of it."
            kind = "RPATH" if elf.is_rpath else "RUNPATH"
            harmless = not own and entry.startswith(_OF_ROOT) and ".." not in entry
            yield finding("A105", elf, f"{kind} has '{entry}'", hint, "advice" if harmless else "error")


# ---- Two copies ----


@lru_cache(maxsize=4096)
def stem_of(library: str) -> str:
    """ "libavcodec" of "libavcodec.so.59", whatever comes behind."""
    match = _STEM.match(posixpath.basename(library))
    return match["stem"] if match else library


def check_copies(process: Process) -> Iterator[Finding]:
    """Libraries of one name in one process: each has its own state, and the first one's symbols serve both."""
    copies: dict[str, dict[str, ElfFacts | None]] = defaultdict(dict)
    for elf in process.bundled:
        if elf.kind == "shared" and ".so" in elf.name:
            copies[stem_of(elf.soname or elf.name)][elf.name] = elf
    for library in process.box:
        copies[stem_of(library)][f"{library} of the box"] = None
    for stem, members in copies.items():
        first = next((each for each in members.values() if each), None)
        if len(members) < 2 or first is None:
            continue
        message = f"{stem} would be in the process of {process.root.name} twice: {', '.join(members)}"
        hint = "let both sides use one of them, or give yours a name and symbol versions of its own (--build-suffix)."
        # Wheels rename what they bundle on purpose, so that it does not meet the system's under one name.
        renamed = any(each and _is_renamed(each) for each in members.values())
        yield finding("A116", first, message, hint, "advice" if renamed else "error")


def _is_renamed(elf: ElfFacts) -> bool:
    match = _STEM.match(posixpath.basename(elf.soname or elf.name))
    return bool(match and match["hash"])
