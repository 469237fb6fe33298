"""Equal trees give equal archives, whoever packs them; what would not unpack elsewhere is refused."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.errors import BuildError, ConfigError
from edgebuild.package.tarball import source_date, write_tarball


def make_tree(root: Path, *, umask: int, reverse: bool = False, mtime_s: int = 1_000_000_000) -> Path:
    """The same contents, as another person on another day would make them."""
    files = {"bin/tool": "#!/bin/sh\n", "lib/libx.so.1": "x", "lib/edgecore/module.so": "m", "share/notes": ""}
    before = os.umask(umask)
    try:
        for name in sorted(files, reverse=reverse):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
            os.utime(path, (mtime_s, mtime_s))
        (root / "bin/tool").chmod(0o777 & ~umask)
        (root / "lib/libx.so").symlink_to("libx.so.1")
        (root / "empty").mkdir()
    finally:
        os.umask(before)
    return root


def test_umask_order_and_time_leave_no_trace(tmp_path: Path) -> None:
    mine = make_tree(tmp_path / "mine", umask=0o022)
    theirs = make_tree(tmp_path / "theirs", umask=0o077, reverse=True, mtime_s=1_700_000_000)
    write_tarball(mine, tmp_path / "a.tar.gz", top="x-1")
    write_tarball(theirs, tmp_path / "another-name.tar.gz", top="x-1")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "another-name.tar.gz").read_bytes()


def test_members_are_roots_sorted_and_below_one_folder(tmp_path: Path) -> None:
    write_tarball(make_tree(tmp_path / "tree", umask=0o077), tmp_path / "a.tar.gz", top="x-1")
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [
        "x-1",
        "x-1/bin",
        "x-1/bin/tool",
        "x-1/empty",
        "x-1/lib",
        "x-1/lib/edgecore",
        "x-1/lib/edgecore/module.so",
        "x-1/lib/libx.so",
        "x-1/lib/libx.so.1",
        "x-1/share",
        "x-1/share/notes",
    ]
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {
        (0, 0, "", "", 0)
    }
    modes = {member.name: member.mode for member in members}
    assert (modes["x-1/lib"], modes["x-1/bin/tool"], modes["x-1/share/notes"]) == (0o755, 0o755, 0o644)


def test_source_date_epoch_is_the_time_of_every_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write_tarball(make_tree(tmp_path / "tree", umask=0o022), tmp_path / "a.tar.gz", top="x-1")
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        assert {member.mtime for member in archive} == {1_700_000_000}


@pytest.mark.parametrize("date", ["yesterday", "-5", "1.5", "99999999999999", "8589934592", " 1", "\u0663"])
def test_a_source_date_that_is_none_is_refused(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        source_date()


def test_the_gzip_header_names_nobody(tmp_path: Path) -> None:
    write_tarball(make_tree(tmp_path / "tree", umask=0o022), tmp_path / "a.tar.gz", top="x-1")
    header = (tmp_path / "a.tar.gz").read_bytes()[:10]
    assert header[3] == 0  # no name, no comment
    assert header[4:8] == bytes(4)  # no time
    gzip.decompress((tmp_path / "a.tar.gz").read_bytes())


SPOILERS: dict[str, Callable[[Path], object]] = {
    "absolute link": lambda tree: (tree / "lib/bad").symlink_to("/etc/passwd"),
    "link out of the tree": lambda tree: (tree / "lib/bad").symlink_to("../../elsewhere"),
    "pipe": lambda tree: os.mkfifo(tree / "lib/bad"),
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_what_would_not_unpack_elsewhere_is_refused_and_leaves_the_old_archive(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    tree = make_tree(tmp_path / "tree", umask=0o022)
    spoil(tree)
    archive = tmp_path / "out" / "a.tar.gz"
    archive.parent.mkdir()
    archive.write_text("old")
    with pytest.raises(BuildError, match="lib/bad"):
        write_tarball(tree, archive, top="x-1")
    assert archive.read_text() == "old"
    assert [path.name for path in archive.parent.iterdir()] == ["a.tar.gz"]


def test_a_link_within_the_tree_may_go_up(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", umask=0o022)
    (tree / "bin/libx.so").symlink_to("../lib/libx.so.1")
    write_tarball(tree, tmp_path / "a.tar.gz", top="x-1")
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        assert archive.getmember("x-1/bin/libx.so").linkname == "../lib/libx.so.1"
