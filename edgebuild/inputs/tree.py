"""Facts of everything in a tree that may fail on a box. Known files are not read again, many are read in parallel."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from edgebuild.elf.deep import deepen
from edgebuild.elf.format import MAGIC
from edgebuild.elf.reader import read_elf
from edgebuild.errors import AuditError
from edgebuild.inputs.cache import FactsCache, FileFacts, facts_key, file_key
from edgebuild.inputs.listing import Entry, Listing
from edgebuild.inputs.other import read_other
from edgebuild.model.elf import ElfFacts
from edgebuild.model.tree import OtherFile
from edgebuild.placing import printable

# Where a pool of processes pays: starting one costs about what it takes to disassemble half a MiB of code.
_POOL_FILES, _POOL_BYTES = 64, 32 << 20
_MOST_WORKERS = 8
_CHUNK_BYTES = 1 << 20

Facts = tuple[tuple[ElfFacts, ...], tuple[OtherFile, ...]]


def read_facts(listing: Listing, *, system: bool, cache: FactsCache, isa: bool, lasting: bool) -> Facts:
    """ELF files and others, by name. lasting: the files stay where they are, so their signatures are worth keeping."""
    digests, others = _digests(listing, cache if lasting else None)
    also: dict[str, list[str]] = defaultdict(list)
    for link, target in listing.resolved_links(system=system).items():
        if target in digests:
            also[target].append(printable(link))
    keys = {name: facts_key(digest, isa=isa) for name, digest in digests.items()}
    known = cache.facts(sorted(set(keys.values())))
    fresh = {key: name for name, key in keys.items() if key not in known}  # one name for equal files
    read = _read_all([(listing.root / name, listing.files[name]) for name in fresh.values()], isa=isa)
    new = dict(zip(fresh, read, strict=True))
    cache.save_facts(new)
    known |= new
    elves: list[ElfFacts] = []
    for name, key in keys.items():
        facts = _renamed(known[key], listing.files[name], tuple(sorted(also[name])))
        if isinstance(facts, ElfFacts):
            elves.append(facts)
        else:
            others.append(facts)
    others += [OtherFile(name=printable(each), kind="damaged", value="may not be read") for each in listing.closed]
    return tuple(elves), tuple(sorted(others, key=lambda each: each.name))


def read_one(path: Path, entry: Entry, *, isa: bool) -> FileFacts:
    """Of an ELF file. Never raises for what is in it."""
    try:
        facts = deepen(path, read_elf(path, name=printable(entry.name)), isa=isa)
        return FileFacts(elf=facts)
    except AuditError as err:
        reason = err.message.removeprefix(f"{printable(entry.name)}: ")
        return FileFacts(other=OtherFile(name=printable(entry.name), kind="damaged", value=reason))


def _renamed(facts: FileFacts, entry: Entry, also: tuple[str, ...]) -> ElfFacts | OtherFile:
    """The same content may lie under several names."""
    name = printable(entry.name)
    if facts.elf is not None:
        return msgspec.structs.replace(facts.elf, name=name, also=also, executable=entry.is_executable)
    assert facts.other is not None
    return msgspec.structs.replace(facts.other, name=name, executable=entry.is_executable)


def _digests(listing: Listing, cache: FactsCache | None) -> tuple[dict[str, str], list[OtherFile]]:
    """Digest of every ELF file, and what the others are."""
    signatures = {name: file_key(listing.root, entry) for name, entry in listing.files.items()} if cache else {}
    known = cache.digests(list(signatures.values())) if cache else {}
    digests: dict[str, str] = {}
    others: list[OtherFile] = []
    fresh: dict[str, str] = {}
    for name, entry in listing.files.items():
        digest = known.get(signatures[name]) if cache else None
        if digest is None:
            digest = _elf_digest(listing.root / name, entry)
            if cache:
                fresh[signatures[name]] = digest
        if digest:
            digests[name] = digest
        elif other := read_other(listing.root / name, printable(name)):
            others.append(other)
    if cache:
        cache.save_digests(fresh)
    return digests, others


def _elf_digest(path: Path, entry: Entry) -> str:
    """ "" for anything else, also for what cannot be read: then read_other says so."""
    if entry.size_bytes < len(MAGIC):
        return ""
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(_CHUNK_BYTES)
            if not head.startswith(MAGIC):
                return ""
            digest = hashlib.sha256(head)
            while piece := file.read(_CHUNK_BYTES):
                digest.update(piece)
    except OSError:
        return ""
    return digest.hexdigest()


def _read_all(files: Sequence[tuple[Path, Entry]], *, isa: bool) -> list[FileFacts]:
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    size_bytes = sum(entry.size_bytes for _, entry in files)
    # With threads about a fork may inherit a lock that nobody will open again.
    if (
        isa
        and workers > 1
        and len(files) >= _POOL_FILES
        and size_bytes >= _POOL_BYTES
        and threading.active_count() == 1
    ):
        try:
            return _read_in_parallel(files, workers, isa=isa)
        except (BrokenProcessPool, OSError):
            pass  # no room for more processes; one after the other needs less
    return [read_one(path, entry, isa=isa) for path, entry in files]


def _read_in_parallel(files: Sequence[tuple[Path, Entry]], workers: int, *, isa: bool) -> list[FileFacts]:
    """Largest first, so that the last to end is a small one. fork: callers' scripts need no guard for their main."""
    order = sorted(range(len(files)), key=lambda index: -files[index][1].size_bytes)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
        waiting = {index: pool.submit(_read_packed, *files[index], isa) for index in order}
        decoder = msgspec.msgpack.Decoder(FileFacts)
        return [decoder.decode(waiting[index].result()) for index in range(len(files))]


def _read_packed(path: Path, entry: Entry, isa: bool) -> bytes:
    return msgspec.msgpack.encode(read_one(path, entry, isa=isa))
