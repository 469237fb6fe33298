"""Takes a sysroot from a box's root: what is listed there, chosen, transferred, judged, packed and locked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edgebuild.build.file_store import Wanted, fetch_files, find_wanted, held_file
from edgebuild.build.pack import PackedFile, pack
from edgebuild.build.sysroot_judge import Judgement, arch_of, digest_entries, glibc_of, judge
from edgebuild.build.sysroot_links import (
    MERGED,
    Plan,
    Tree,
    folders_of,
    follow,
    merged_path,
    plan_import,
    relative_target,
)
from edgebuild.build.sysroot_select import NAMED, NAMED_PLACES, PLACES, PYTHON_NAMES, PYTHON_PLACES
from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.arch import Arch
from edgebuild.model.recipe import Download, ImportedTree
from edgebuild.model.rootfile import ImportWish, RootFile, RootSource
from edgebuild.workspace import Workspace

_ROUNDS = 8  # links to places that were not listed may lead on to others
_TOP = "sysroot"  # the archive's one folder
_LOADER_CONF = re.compile(r"etc/ld\.so\.conf(?:\.d/[^/]+\.conf)?")
_DEEP = 2  # a link to a folder nearer to the root does not make everything below it a sysroot
_INSTALL = "install them there: libc6-dev on Debian and its like, glibc-devel on others."


@dataclass(frozen=True)
class Survey:
    """What a source has, and what of it is wanted."""

    plan: Plan
    arch: Arch
    glibc: str
    title: str  # "Debian GNU/Linux 11 (bullseye)", of os-release
    wanted: Wanted


@dataclass(frozen=True)
class Imported:
    """plan: what was taken in the end. unreadable: paths at the source. received_bytes: what was not here already."""

    plan: Plan
    judgement: Judgement
    tree: ImportedTree
    unreadable: tuple[str, ...]
    received_bytes: int


def survey(source: RootSource, wish: ImportWish, *, ws: Workspace) -> Survey:
    """Lists the root and chooses; of contents, only a few small files and the C library are read.

    Raises NotAvailable where the root cannot make a sysroot.
    """
    wish = replace(wish, also=tuple(place.strip("/") for place in wish.also))
    with ws.log.step(f"Listing {source.title}"):
        listed = {each.path: each for each in source.find((*PLACES, *wish.also))}
        listed |= {each.path: each for each in source.find(NAMED_PLACES, NAMED)}
        if wish.python:
            listed |= {each.path: each for each in source.find(PYTHON_PLACES, PYTHON_NAMES)}
    tree = Tree(listed.values())
    wish = replace(wish, also=_real_places(wish.also, tree))
    libc, facts = _facts(source, tree, ws=ws)
    arch, glibc = _libc_of(source, libc, tree)
    searched = _searched(facts)
    if more := [folder for folder in searched if not folder.startswith(PLACES)]:
        listed |= {each.path: each for each in source.find(more)}
    asked: set[str] = set()
    searched = tuple(merged_path(folder) for folder in searched)
    for _ in range(_ROUNDS):
        plan = plan_import(listed.values(), wish, arch.name, searched)
        new = [path for path in plan.unknown if path not in asked and path.count("/") >= _DEEP]
        if not new:
            break
        asked.update(new)
        listed |= {each.path: each for each in source.find(new)}
    _require_development_files(source, plan)
    with ws.log.step(f"Comparing {len(plan.files)} files with what is here") as step:
        wanted = find_wanted(source, list(plan.files.values()), ws=ws)
        step.note = f"{wanted.size_bytes / 1e6:.1f} MB to receive"
    return Survey(plan, arch, glibc, _title(facts), wanted)


def receive(name: str, source: RootSource, survey: Survey, *, ws: Workspace) -> Imported:
    """Everything chosen, judged by its content and packed into the cache. Raises what the source raises."""
    with ws.log.step(f"Receiving {survey.wanted.size_bytes / 1e6:.1f} MB from {source.title}") as step:
        fetched = fetch_files(source, survey.wanted, ws=ws, told=step.progress)
    unreadable = set(fetched.unreadable)
    plan = survey.plan.without(place for place, file in survey.plan.files.items() if file.path in unreadable)

    def held(place: str) -> Path:
        return held_file(fetched.digests[survey.plan.files[place].path], ws)

    with ws.log.step(f"Looking into {len(plan.files)} files"):
        judgement = judge(plan, held, survey.arch, survey.glibc)
        plan = plan.without(judgement.unwanted)
        final = judge(plan, held, survey.arch, survey.glibc)  # scripts that name what has just been dropped
    judgement = Judgement(judgement.foreign, judgement.stale, judgement.damaged, final.scripts)
    relative = relative_links(plan)
    digests = {place: fetched.digests[file.path] for place, file in plan.files.items()}
    tree = digest_of(digest_entries(plan, digests, relative))
    with ws.log.step(f"Packing {len(plan.files)} files"):
        archive = _pack(name, tree, plan, relative, held, ws=ws)
    size_bytes = sum(file.size_bytes for file in plan.files.values())
    imported = ImportedTree(tree=tree, archive=archive, files=len(plan.files), size_bytes=size_bytes)
    return Imported(plan, judgement, imported, fetched.unreadable, fetched.sent_bytes)


def relative_links(plan: Plan) -> dict[str, str]:
    """Every link of the sysroot with what it holds, those at the top among them: lib -> usr/lib."""
    return {
        **{name: f"usr/{name}" for name in MERGED},
        **{place: relative_target(place, target) for place, target in plan.links.items()},
    }


def _real_places(places: Iterable[str], tree: Tree) -> tuple[str, ...]:
    """And where they lead to: usr/local/sdk -> usr/local/sdk-1.4. Raises ConfigError for what is not there."""
    found: list[str] = []
    for place in map(merged_path, places):
        real = follow(place, tree.targets, tree.has)[1]
        if not real:
            msg = f"--also: there is no /{place}, or nothing in it"
            raise ConfigError(msg)
        found += [place, real]
    return tuple(dict.fromkeys(found))


def _facts(source: RootSource, tree: Tree, *, ws: Workspace) -> tuple[dict[str, Path], dict[str, str]]:
    """The C libraries by place, and the texts of the loader's and the distribution's files."""
    libraries: dict[str, RootFile] = {}
    texts: dict[str, RootFile] = {}
    for place in tree.entries:
        is_libc = place.endswith("/libc.so.6")
        if is_libc or _LOADER_CONF.fullmatch(place) or place == "etc/os-release":
            real = follow(place, tree.targets, tree.has)[1]
            if real in tree.entries:
                (libraries if is_libc else texts)[place] = tree.entries[real]
    wanted = find_wanted(source, [*libraries.values(), *texts.values()], ws=ws)
    digests = fetch_files(source, wanted, ws=ws, told=lambda *_: None).digests
    found = {place: held_file(digests[file.path], ws) for place, file in libraries.items() if file.path in digests}
    read = {place: held_file(digests[file.path], ws) for place, file in texts.items() if file.path in digests}
    return found, {place: file.read_text(errors="replace") for place, file in read.items()}


def _libc_of(source: RootSource, libraries: dict[str, Path], tree: Tree) -> tuple[Arch, str]:
    """Of the C library that programs are linked with: where a box has several, the one beside start-up files."""
    known = {place: (arch, glibc_of(file.read_bytes())) for place, file in libraries.items() if (arch := arch_of(file))}
    for place in sorted(known, key=lambda place: not tree.has(place.replace("libc.so.6", "crt1.o"))):
        if known[place][1]:
            return known[place]
    seen = f" (there is one of another architecture: {', '.join(libraries)})" if libraries else ""
    msg = f"{source.title}: no glibc of a 64-bit Arm or x86 machine there{seen}"
    raise NotAvailable(msg, "a box with musl or another C library needs its vendor's SDK as --also and as sysroot.")


def _searched(texts: dict[str, str]) -> tuple[str, ...]:
    """The loader's folders below the root, from ld.so.conf and what it includes."""
    lines = [line.strip() for place in texts if _LOADER_CONF.fullmatch(place) for line in texts[place].splitlines()]
    return tuple(sorted({line.strip("/") for line in lines if line.startswith("/")}))


def _title(texts: dict[str, str]) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', texts.get("etc/os-release", ""), re.MULTILINE)
    return "".join(filter(str.isprintable, match[1])) if match else "Linux"


def _require_development_files(source: RootSource, plan: Plan) -> None:
    names = {place.rpartition("/")[2] for place in (*plan.files, *plan.links)}
    lacks = [
        what
        for what, ok in {
            "headers of the C library (stdio.h)": "usr/include/stdio.h" in plan.kinds,
            "start-up files (crt1.o)": {"crt1.o", "crti.o"} <= names,
            "libc.so, which -lc asks for": "libc.so" in names,
            "files of a compiler (crtbegin.o, libgcc.a)": {"crtbegin.o", "libgcc.a"} <= names,
        }.items()
        if not ok
    ]
    if lacks:
        msg = f"{source.title}: nothing can be linked against it: no {'; no '.join(lacks)}"
        raise NotAvailable(msg, _INSTALL)


def _pack(
    name: str, tree: str, plan: Plan, relative: dict[str, str], held: Callable[[str], Path], *, ws: Workspace
) -> Download:
    """The archive in the cache."""
    merged = {f"usr/{each}" for each in MERGED} - plan.links.keys()
    folders = sorted(folders_of((*plan.files, *plan.links)) | merged | {"usr"})
    members = [PackedFile(folder) for folder in folders]
    for place in sorted({*plan.files, *relative}):
        if place in relative:
            members.append(PackedFile(place, link=relative[place]))
        else:
            members.append(PackedFile(place, content=held(place), executable=plan.files[place].executable))
    return pack(f"{name}-{tree[:12]}.tar.gz", _TOP, members, packer="gzip", ws=ws)
