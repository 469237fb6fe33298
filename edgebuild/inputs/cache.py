"""Facts that were read before, by digest: nothing is read twice, whatever it is called and wherever it lies.

Two ways in. A tree whose files all are as they were (name, size, times, inode) is one row. Otherwise every ELF file is
known by the digest of its content, and that digest by the file's signature, so that only changed files are read at all.
A cache is no product: whatever is wrong with it, it is thrown away, and the facts are read again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgebuild.collecting import without_collecting
from edgebuild.digest import digest_tree
from edgebuild.inputs.listing import Entry
from edgebuild.model.elf import ElfFacts
from edgebuild.model.tree import OtherFile, TreeFacts

_READERS = ("elf/*.py", "elf/*.txt", "inputs/*.py", "model/*.py")
_LARGEST_BYTES = 1 << 30
_BUSY_S = 2.0
_TABLES = """
CREATE TABLE IF NOT EXISTS trees (key TEXT PRIMARY KEY, used REAL, facts BLOB);
CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, digest TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, facts BLOB);
"""
_MOST_TREES = 200
_AT_ONCE = 500  # variables in one statement; SQLite before 3.32 takes 999


class FileFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one ELF file turned out to be: whole, or damaged."""

    elf: ElfFacts | None = None
    other: OtherFile | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_tree = msgspec.msgpack.Decoder(TreeFacts).decode
_decode_file = msgspec.msgpack.Decoder(FileFacts).decode


class FactsCache:
    """One SQLite file that several processes may share. No method raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def tree(self, key: str) -> TreeFacts | None:
        for (facts,) in self._ask("SELECT facts FROM trees WHERE key = ?", (key,)):
            with contextlib.suppress(msgspec.DecodeError, TypeError), without_collecting():
                return _decode_tree(facts)
        return None

    def save_tree(self, key: str, tree: TreeFacts) -> None:
        self._tell("INSERT OR REPLACE INTO trees VALUES (?, ?, ?)", [(key, time.time(), _encode(tree))])
        oldest = "SELECT key FROM trees ORDER BY used DESC LIMIT -1 OFFSET ?"
        self._tell(f"DELETE FROM trees WHERE key IN ({oldest})", [(_MOST_TREES,)])

    def digests(self, keys: Sequence[str]) -> dict[str, str]:
        """Of files by signature. "" for one that is no ELF file."""
        return {key: digest for key, digest in self._look_up("files", "digest", keys) if isinstance(digest, str)}

    def save_digests(self, digests: Mapping[str, str]) -> None:
        self._tell("INSERT OR REPLACE INTO files VALUES (?, ?)", list(digests.items()))

    def facts(self, keys: Sequence[str]) -> dict[str, FileFacts]:
        found: dict[str, FileFacts] = {}
        for key, facts in self._look_up("facts", "facts", keys):
            with contextlib.suppress(msgspec.DecodeError, TypeError):
                found[key] = _decode_file(facts)
        return found

    def save_facts(self, facts: Mapping[str, FileFacts]) -> None:
        self._tell("INSERT OR REPLACE INTO facts VALUES (?, ?)", [(key, _encode(each)) for key, each in facts.items()])

    def close(self) -> None:
        if self._connection:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _look_up(self, table: str, column: str, keys: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from self._ask(f"SELECT key, {column} FROM {table} WHERE key IN ({marks})", some)

    def _ask(self, statement: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._open().execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as err:
            self._throw_away(err)
            return []

    def _tell(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            with self._open() as connection:
                connection.executemany(statement, rows)
        except (sqlite3.Error, OSError) as err:
            self._throw_away(err)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size > _LARGEST_BYTES:
                self._path.unlink()
            self._connection = sqlite3.connect(self._path, timeout=_BUSY_S)
            self._connection.execute("PRAGMA synchronous = OFF")  # lost in a power cut, and read again
            self._connection.executescript(_TABLES)
        return self._connection

    def _throw_away(self, err: Exception) -> None:
        """Another process that writes just now is no reason to lose everything."""
        self.close()
        if isinstance(err, sqlite3.OperationalError) and "locked" in str(err):
            return
        if isinstance(err, sqlite3.DatabaseError):
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def tree_key(kind: str, entries: Iterable[tuple[object, ...]], *, isa: bool) -> str:
    return _key("tree", kind, readers_digest(), isa, tuple(entries))


def file_key(folder: Path, entry: Entry) -> str:
    return _key("file", str(folder), entry.signature)


def facts_key(digest: str, *, isa: bool) -> str:
    return f"{digest}-{readers_digest()[:16]}-{int(isa)}"


@functools.cache
def readers_digest() -> str:
    """Whatever may read other facts from the same file: a number that somebody has to raise is forgotten."""
    return digest_tree(Path(__file__).resolve().parent.parent, only=_READERS)


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()
