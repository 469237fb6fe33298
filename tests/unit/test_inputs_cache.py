"""What was read before is not read again, unless it has changed; and a broken cache is no cache."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import edgebuild.inputs.tree
from edgebuild.inputs import read_artifact
from edgebuild.inputs.artifact import open_artifact
from edgebuild.model.tree import TreeFacts
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf
from tests.fuzz import seeds

LIBRARIES = {f"lib{number}.so": write_elf(Elf(soname=f"lib{number}.so")) for number in range(3)}
CACHE = "audit/facts.sqlite"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    for name, content in LIBRARIES.items():
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the ELF files that were opened by the reader."""
    names: list[str] = []
    read_one = edgebuild.inputs.tree.read_one

    def counted(path: Path, *args: object, **options: object) -> object:
        names.append(path.name)
        return read_one(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(edgebuild.inputs.tree, "read_one", counted)
    return names


def read(path: Path, ws: Workspace, *, isa: bool = False) -> TreeFacts:
    return read_artifact(path, ws=ws, isa=isa)


def test_a_tree_is_read_once(tree: Path, ws: Workspace, reads: list[str]) -> None:
    first = read(tree, ws)
    assert len(reads) == 3
    assert read(tree, ws) == first
    assert len(reads) == 3


def test_only_what_has_changed_is_read_again(tree: Path, ws: Workspace, reads: list[str]) -> None:
    read(tree, ws)
    reads.clear()
    (tree / "lib1.so").write_bytes(write_elf(Elf(soname="changed")))
    assert [elf.soname for elf in read(tree, ws).elves] == ["lib0.so", "changed", "lib2.so"]
    assert reads == ["lib1.so"]


def test_a_change_that_keeps_size_and_time_is_noticed(tree: Path, ws: Workspace) -> None:
    read(tree, ws)
    path = tree / "lib1.so"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"lib1.so", b"libX.so"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert "libX.so" in [elf.soname for elf in read(tree, ws).elves]


def test_equal_files_are_read_once_whatever_they_are_called(tree: Path, ws: Workspace, reads: list[str]) -> None:
    for number in range(5):
        (tree / f"copy{number}").write_bytes(LIBRARIES["lib0.so"])
    (tree / "copy0").chmod(0o755)
    facts = {elf.name: elf for elf in read(tree, ws).elves}
    assert len(reads) == 3
    assert facts["copy0"].executable
    assert not facts["copy1"].executable


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "new.sh").write_text("#!/bin/sh\n"),
        lambda tree: (tree / "link").symlink_to("lib0.so"),
        lambda tree: (tree / "lib0.so").unlink(),
        lambda tree: (tree / "lib0.so").chmod(0o755),
        lambda tree: (tree / "lib0.so").rename(tree / "lib9.so"),
    ],
    ids=["file", "link", "gone", "mode", "name"],
)
def test_whatever_changes_in_a_tree_is_seen(change: Callable[[Path], object], tree: Path, ws: Workspace) -> None:
    before = read(tree, ws)
    change(tree)
    assert read(tree, ws) != before


def test_an_archive_that_was_read_before_is_not_unpacked_again(
    tmp_path: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(seeds.tar(LIBRARIES))
    first = read(path, ws)
    monkeypatch.setattr("edgebuild.inputs.artifact.open_artifact", lambda *_, **__: pytest.fail("unpacked"))
    assert read(path, ws) == first
    path.write_bytes(seeds.tar({"a.so": LIBRARIES["lib0.so"]}))
    monkeypatch.setattr("edgebuild.inputs.artifact.open_artifact", open_artifact)
    assert [elf.name for elf in read(path, ws).elves] == ["a.so"]


def test_facts_without_instructions_are_not_taken_for_those_with(tree: Path, ws: Workspace) -> None:
    assert read(tree, ws).elves[0].isa is None
    assert read(tree, ws, isa=True).elves[0].isa is not None
    assert read(tree, ws).elves[0].isa is None


def test_a_new_reader_reads_anew(tree: Path, ws: Workspace, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    read(tree, ws)
    monkeypatch.setattr("edgebuild.inputs.cache.readers_digest", lambda: "another")
    read(tree, ws)
    assert len(reads) == 6


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_broken_cache_is_thrown_away(damage: bytes, tree: Path, ws: Workspace, reads: list[str]) -> None:
    first = read(tree, ws)
    (ws.cache / CACHE).write_bytes(damage)
    assert read(tree, ws) == first
    assert len(reads) == 6
    assert read(tree, ws) == first
    assert len(reads) == 6, "it is whole again"


def test_damaged_rows_are_read_anew(tree: Path, ws: Workspace) -> None:
    first = read(tree, ws)
    with sqlite3.connect(ws.cache / CACHE) as connection:
        connection.execute("UPDATE trees SET facts = x'c1'")
        connection.execute("UPDATE facts SET facts = x'93'")
    assert read(tree, ws) == first


def test_a_cache_that_cannot_be_written_is_done_without(tree: Path, ws: Workspace) -> None:
    (ws.cache / CACHE).mkdir(parents=True)
    assert len(read(tree, ws).elves) == 3


def test_many_files_are_read_by_several_processes(
    tree: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    """Whose reads we do not see here."""
    alone = read(tree, ws, isa=True)
    assert len(reads) == 3
    monkeypatch.setattr(edgebuild.inputs.tree, "_POOL_FILES", 2)
    monkeypatch.setattr(edgebuild.inputs.tree, "_POOL_BYTES", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("threading.active_count", lambda: 1)
    (ws.cache / CACHE).unlink()
    assert read(tree, ws, isa=True) == alone
    assert len(reads) == 3
