"""Equal digests mean equal content: names, bytes, links and x-bits count; order, time and place do not."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.digest import digest_of, digest_tree, sha256_file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("#!/bin/sh\n")
    (root / "notes").write_text("notes")
    (root / "link").symlink_to("notes")
    return root


def test_a_file_has_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3_000_000))
    assert sha256_file(path) == hashlib.sha256(bytes(3_000_000)).hexdigest()


def test_the_order_of_keys_does_not_count() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})


def test_the_order_of_a_list_counts() -> None:
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_a_copy_has_the_same_digest(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(tree, copy, symlinks=True)
    os.utime(copy / "notes", (0, 0))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "x.pyc").write_text("")
    assert digest_tree(copy) == digest_tree(tree)


CHANGES: dict[str, Callable[[Path], object]] = {
    "bytes": lambda tree: (tree / "notes").write_text("nodes"),
    "name": lambda tree: (tree / "notes").rename(tree / "nodes"),
    "x-bit": lambda tree: (tree / "bin" / "tool").chmod(0o755),
    "link": lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("bin")),
    "kind": lambda tree: ((tree / "link").unlink(), (tree / "link").write_text("notes")),
    "more": lambda tree: (tree / "more").write_text(""),
    "less": lambda tree: (tree / "link").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_counts(tree: Path, change: Callable[[Path], object]) -> None:
    (tree / "bin" / "tool").chmod(0o644)
    before = digest_tree(tree)
    change(tree)
    assert digest_tree(tree) != before


def test_only_what_is_asked_for_counts(tree: Path) -> None:
    before = digest_tree(tree, only=("bin/*",))
    (tree / "notes").write_text("other")
    assert digest_tree(tree, only=("bin/*",)) == before
